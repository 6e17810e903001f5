"""The variables that are given, in the environment and in `.env`: none is silently left out."""

import io
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from dotenv.parser import Binding, parse_stream
from pydantic_settings import EnvSettingsSource

PREFIX = "KEYFOB_"
DOTENV = ".env"

_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_OUR_NAME = re.compile(r"(?:export\s+)?(KEYFOB_\w+)", re.ASCII | re.IGNORECASE)

# What Kubernetes puts into a pod's environment for each Service: for one named `keyfob`, or with a
# name that begins so, the names begin as ours do.
_OF_SERVICE = re.compile(
    r"KEYFOB_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)"
    r"(?:_(?:PROTO|PORT|ADDR))?)"
)
_ADDRESS_OF_SERVICE = re.compile(r"(?:tcp|udp|sctp)://")


class WrongSetting(Exception):
    """A setting that cannot be used; the message names the variable and what it should be."""


class Environment(EnvSettingsSource):
    """The environment, in which a port that is the address of a Kubernetes Service is not given."""

    def __call__(self) -> dict[str, Any]:
        found = super().__call__()
        return {name: value for name, value in found.items() if not _is_service_port(name, value)}


def refuse_what_does_not_count(known: Collection[str]) -> None:
    """See that each variable of ours is known, and that each line of `.env` can be read.

    Raises:
        WrongSetting: one is not; the message holds no value, for it may be a secret.
    """
    given = {name.upper() for name, value in os.environ.items() if not _is_of_service(name, value)}
    for name in sorted(given | set(_names_in_dotenv())):
        if name.startswith(PREFIX) and name not in known:
            raise WrongSetting(f"{name}: there is no such setting{_hint(name, known)}")


def _is_of_service(name: str, value: str) -> bool:
    return _OF_SERVICE.fullmatch(name) is not None or _is_service_port(name, value)


def _is_service_port(name: str, value: object) -> bool:
    return (
        name.upper().endswith("PORT")
        and isinstance(value, str)
        and _ADDRESS_OF_SERVICE.match(value) is not None
    )


def _hint(name: str, known: Collection[str]) -> str:
    import difflib  # noqa: PLC0415 - no worker that serves needs it

    bare = {variable.removeprefix(PREFIX) for variable in known}  # the prefix is like any other
    close = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1)
    return f"; did you mean {PREFIX}{close[0]}?" if close else ""


def _names_in_dotenv() -> Iterator[str]:
    path = Path(DOTENV)
    if not path.is_file():
        return
    for line in parse_stream(io.StringIO(path.read_text(encoding="utf-8"))):
        if not _is_readable(line):
            raise WrongSetting(f"{DOTENV}: {_place(line)} cannot be read; should be NAME=value")
        if line.key is not None:
            yield line.key.upper()


def _is_readable(line: Binding) -> bool:
    """Tell whether a line is empty, a comment, a variable, or one that others may make sense of.

    A name alone is for those who hand their environment on. A value of several lines is a quote
    that was not closed: it swallows the variables below it.
    """
    if line.error or line.key is None:
        return not line.error
    if not _PLAIN_NAME.fullmatch(line.key):
        return False
    if not line.key.upper().startswith(PREFIX.rstrip("_")):
        return True
    ours = line.key.upper().startswith(PREFIX)
    return ours and line.value is not None and "\n" not in line.value


def _place(line: Binding) -> str:
    """Name a line, and its variable where that is plain to see, never what else stands there."""
    text = line.original.string
    bare = text.lstrip("\ufeff \t\r\n")
    number = line.original.line + text[: len(text) - len(bare)].count("\n")
    name = _OUR_NAME.match(bare)
    return f"line {number} ({name[1].upper()})" if name else f"line {number}"
