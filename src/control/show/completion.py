"""Scripts by which bash and zsh complete the commands of dialout, made from its command line.

They hold words only and ask nothing: completing is quick, and does no harm on a busy router.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from control.show.tree import Node, takes_a_file, takes_a_value, walk

_HEAD = "# Completion of dialout for {shell}; `dialout completion {shell}` prints it.\n"


def script(shell: str) -> str:
    """For `bash` or `zsh`."""
    from control.arguments import parser

    return _MAKE[shell](list(walk(parser())))


def _words(node: Node) -> list[str]:
    """What may follow, as far as it is known: words, options, values of the next place."""
    found = list(node.children)
    for action in node.positionals:
        found += [str(choice) for choice in action.choices or ()]
    return found + [name for option in node.options for name in option.option_strings]


def _values(nodes: Iterable[Node]) -> Iterator[tuple[Node, str, str | None]]:
    """Options that take a value: which words that may be, None for a file."""
    for node in nodes:
        for option in node.options:
            if not takes_a_value(option):
                continue
            for name in option.option_strings:
                if takes_a_file(option):
                    yield node, name, None
                else:
                    yield node, name, " ".join(map(str, option.choices or ()))


def _bash(nodes: list[Node]) -> str:
    paths = "|".join(f'"{" ".join(node.path)}"' for node in nodes[1:])
    lines = [
        _HEAD.format(shell="bash"),
        "_dialout() {",
        "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}",
        "    local path=dialout words= at",
        "    for ((at = 1; at < COMP_CWORD; at++)); do",
        '        case "$path ${COMP_WORDS[at]}" in',
        f"            {paths})",
        '                path="$path ${COMP_WORDS[at]}" ;;',
        "        esac",
        "    done",
        '    case "$path $before" in',
    ]
    for node, name, values in _values(nodes):
        what = '-f -- "$current"' if values is None else f'-W "{values}" -- "$current"'
        lines += [
            f'        "{" ".join(node.path)} {name}")',
            f"            COMPREPLY=($(compgen {what})); return ;;",
        ]
    lines += ["    esac", '    case "$path" in']
    for node in nodes:
        files = any(takes_a_file(action) for action in node.positionals)
        lines += [
            f'        "{" ".join(node.path)}")',
            f'            words="{" ".join(_words(node))}"',
        ]
        if files:
            lines.append('            COMPREPLY=($(compgen -f -- "$current"))')
        lines[-1] += " ;;"
    lines += [
        "    esac",
        '    COMPREPLY+=($(compgen -W "$words" -- "$current"))',
        "}",
        "complete -o filenames -F _dialout dialout",
        "",
    ]
    return "\n".join(lines)


def _zsh(nodes: list[Node]) -> str:
    paths = "|".join(f'"{" ".join(node.path)}"' for node in nodes[1:])
    lines = [
        "#compdef dialout",
        _HEAD.format(shell="zsh"),
        "_dialout() {",
        "    local route=dialout at",
        "    local -a found",
        "    for ((at = 2; at < CURRENT; at++)); do",
        '        case "$route ${words[at]}" in',
        f"            {paths})",
        '                route="$route ${words[at]}" ;;',
        "        esac",
        "    done",
        '    case "$route ${words[CURRENT - 1]}" in',
    ]
    for node, name, values in _values(nodes):
        what = "_files" if values is None else f"compadd -- {values}" if values else ":"
        lines.append(f'        "{" ".join(node.path)} {name}") {what}; return ;;')
    lines += ["    esac", '    case "$route" in']
    for node in nodes:
        lines += [f'        "{" ".join(node.path)}")', "            found=("]
        lines += [f"                {_described(word, text)}" for word, text in _texts(node)]
        lines.append("            )")
        if any(takes_a_file(action) for action in node.positionals):
            lines.append("            _files")
        lines[-1] += " ;;"
    lines += ["    esac", "    _describe dialout found", "}", "", '_dialout "$@"', ""]
    return "\n".join(lines)


def _texts(node: Node) -> Iterator[tuple[str, str]]:
    yield from node.children.items()
    for action in node.positionals:
        yield from ((str(choice), "") for choice in action.choices or ())
    for option in node.options:
        for name in option.option_strings:
            yield name, (option.help or "") % {"default": option.default, "prog": "dialout"}


def _described(word: str, text: str) -> str:
    plain = f"{word}:{text}".replace("'", "'\\''") if text else word
    return f"'{plain}'"


_MAKE = {"bash": _bash, "zsh": _zsh}
