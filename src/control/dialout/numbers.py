"""Numbers that may be called: prefixes allowed and denied, checked after RADIUS (threat T11).

A dialler skips formatting, and a LAC may put a number out by more than one way: behind the digit
for an outside line, a carrier's code, a service code. A denied number is found behind each.
"""

from __future__ import annotations

from control.config import Budget


def plain_number(number: str) -> str:
    """A number without what a dialler skips over: blanks, pauses and punctuation; an
    international number begins with `+`, however it was written.

    Otherwise a comma in front of a denied number would get it through.
    """
    plain = "".join(c for c in number if c.isalnum() or c in "+*#")
    return "+" + plain[2:] if plain.startswith("00") else plain


def forms(number: str, dial_prefixes: tuple[str, ...]) -> set[str]:
    """The number as it stands, and what is left behind dial prefixes and service codes."""
    digits = "".join(c for c in number if c.isalnum() or c in "+*#")
    found = {digits}
    waiting = [digits]
    while waiting:
        known = waiting.pop()
        shorter = [known[len(prefix) :] for prefix in dial_prefixes if known.startswith(prefix)]
        # `*31#0900...`: everything up to the last * or # may be a code of the exchange.
        shorter.append(known[max(known.rfind("*"), known.rfind("#")) + 1 :])
        new = [form for form in shorter if form and form not in found]
        found.update(new)
        waiting += new
    return {plain_number(form) for form in found}


class NumberRules:
    """Denied prefixes are looked for in every form of a number, then one form must be allowed, if
    there is a list of what is allowed."""

    def __init__(self, config: Budget) -> None:
        self._dial_prefixes = config.dial_prefixes
        self._denied = tuple(map(plain_number, config.deny_numbers))
        self._allowed = tuple(map(plain_number, config.allow_numbers))

    def allow(self, number: str) -> bool:
        if not self._denied and not self._allowed:
            return True
        found = forms(number, self._dial_prefixes)
        if any(form.startswith(self._denied) for form in found):
            return False
        return not self._allowed or any(form.startswith(self._allowed) for form in found)
