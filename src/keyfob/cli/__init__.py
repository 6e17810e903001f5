"""The command line: `keyfob`. Exit codes: 0 done, 1 refused, 2 wrong usage."""

import os
import sys
from collections.abc import Sequence

# The options of `serve`, and the valid numbers for those that take a number.
_SERVE_OPTIONS = {"--host": None, "--port": range(65_536), "--workers": range(1, 65)}


def main() -> None:
    """Run the command of `sys.argv`."""
    options = plain_serve(sys.argv[1:])
    # Imported late: `serve` does not need Typer.
    from keyfob.cli.refusal import Refused, exit_refused  # noqa: PLC0415 - see above
    from keyfob.core.problems import Problem  # noqa: PLC0415 - see above
    from keyfob.core.stopping import end_in_order  # noqa: PLC0415 - see above

    end_in_order()
    try:
        if options is not None:
            from keyfob.cli.starting import start_service  # noqa: PLC0415 - see above

            sys.exit(start_service(**options))
        from keyfob.cli.main import app  # noqa: PLC0415 - `serve` does without Typer

        app(prog_name="keyfob")
    except (Refused, Problem) as fault:
        exit_refused(fault)
    finally:
        _finish_output()


def _finish_output() -> None:
    """Write the rest of the output; if the terminal has closed, discard it.

    Otherwise Python would try again when it exits, and exit with 120.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def plain_serve(arguments: Sequence[str]) -> dict[str, str] | None:
    """Return the options of a `serve` command that needs no help from Typer; else None.

    Only clear cases are handled here: `serve` with known options that have numbers or words as
    values. Everything else, right or wrong, is left to Typer.
    """
    if not arguments or arguments[0] != "serve" or len(arguments) % 2 == 0:
        return None
    names, values = arguments[1::2], arguments[2::2]
    given = dict(zip(names, values, strict=True))
    if len(given) < len(names) or not all(map(_is_plain, names, values)):
        return None
    return {name.removeprefix("--"): value for name, value in given.items()}


def _is_plain(name: str, value: str) -> bool:
    if name not in _SERVE_OPTIONS or value.startswith("-"):
        return False
    numbers = _SERVE_OPTIONS[name]
    return numbers is None or (value.isdecimal() and int(value) in numbers)
