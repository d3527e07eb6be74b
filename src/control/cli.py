"""The command `dialout`: arguments in, exit codes out. No traceback reaches its user.

The command line stands in arguments.py and what a command does in commands.py. Both are imported
only when they are wanted, so that --help answers at once and Ctrl-C is heeded from the beginning.
Only errors that have a cause outside the program are caught; a defect is not hidden.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Final

from control import exit_codes
from control.console import say
from control.errors import ConfigurationError, DialoutError, ResourceError

_OF_RESOURCE: Final = (
    errno.EACCES,
    errno.EADDRINUSE,
    errno.EADDRNOTAVAIL,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    try:
        return _finish(_run(argv))
    except KeyboardInterrupt:
        say("dialout: interrupted")
        return exit_codes.INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    try:
        return _command(argv)
    except OSError as error:
        return _system_error(error)
    except MemoryError:
        say("dialout: out of memory")
        return exit_codes.RESOURCE
    except ResourceError as error:
        say(f"dialout: {error}")
        return exit_codes.RESOURCE
    except ConfigurationError as error:
        say(str(error))
        return exit_codes.CONFIGURATION
    except DialoutError as error:
        say(f"dialout: {error}")
        return exit_codes.FAILED


def _command(argv: Sequence[str] | None) -> int:
    # Numpy's threads, which nothing here needs, would be there before `run` gives privileges up,
    # and keep theirs.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from control.arguments import parse

    # Names of files need not be text, and a terminal need not know every character.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    try:
        arguments = parse(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else exit_codes.OK
    if "request" in arguments:
        # What asks a running router needs nothing of what the others need.
        from control.show import command

        return command.run(arguments)
    from control import commands

    return commands.COMMANDS[arguments.command](arguments)


def _system_error(error: OSError) -> int:
    if isinstance(error, BrokenPipeError) and error.filename is None:
        # The reader of our output has gone: there is nobody left to tell.
        return exit_codes.FAILED
    where = f"{error.filename}: " if error.filename is not None else ""
    say(f"dialout: {where}{error.strerror or error}")
    return exit_codes.RESOURCE if error.errno in _OF_RESOURCE else exit_codes.FAILED


def _finish(code: int) -> int:
    """Writes out what print() still holds. What cannot be written is dropped: the interpreter
    would try it again when it ends, and complain in its own way."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if error.filename is None:
            error.filename = None if isinstance(error, BrokenPipeError) else "standard output"
        return code or _system_error(error)
    return code


if __name__ == "__main__":
    sys.exit(main())
