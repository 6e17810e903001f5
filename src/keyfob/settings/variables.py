"""The variables in the environment and in `.env`: none is silently ignored."""

import difflib
import io
import os
import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables
from pydantic_settings import EnvSettingsSource

PREFIX = "KEYFOB_"
DOTENV = ".env"

_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
# A `KEYFOB_` variable within the value of another: after it, or on a line below.
_BEHIND = re.compile(r"\sKEYFOB_\w+\s*=", re.ASCII | re.IGNORECASE)
_BELOW = re.compile(r"\n\s*(?:export\s+)?KEYFOB_\w+\s*=", re.ASCII | re.IGNORECASE)
_OUR_NAME = re.compile(r"(?:export\s+)?(KEYFOB_\w+)", re.ASCII | re.IGNORECASE)

# Variables that Kubernetes sets in a pod for each Service: for one named `keyfob`, or with a name
# that begins so, they begin as ours do.
_OF_SERVICE = re.compile(
    r"KEYFOB_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)"
    r"(?:_(?:PROTO|PORT|ADDR))?)"
)
_ADDRESS_OF_SERVICE = re.compile(r"(?:tcp|udp|sctp)://")


class WrongSetting(Exception):
    """A setting cannot be used; the message names the variable and the expected value."""


class Environment(EnvSettingsSource):
    """The environment; a port that is the address of a Kubernetes Service is ignored."""

    def __call__(self) -> dict[str, Any]:
        found = super().__call__()
        return {name: value for name, value in found.items() if not _is_service_port(name, value)}


def refuse_what_does_not_count(known: Collection[str]) -> None:
    """Check that all our variables are known, and that each line of `.env` can be read.

    Raises:
        WrongSetting: one is not; the message contains no value, since it may be a secret.
    """
    given = sorted(name for name, value in os.environ.items() if not _is_of_service(name, value))
    for name, count in Counter(name.upper() for name in given if _is_ours(name)).items():
        if count > 1:
            raise WrongSetting(f"{name}: is there twice, in large letters and in small")
    for name in sorted({name.upper() for name in (*given, *_names_in_dotenv())}):
        if _is_ours(name) and name not in known:
            raise WrongSetting(f"{name}: there is no such setting{_hint(name, known)}")


def _is_ours(name: str) -> bool:
    return name.upper().startswith(PREFIX)


def _is_of_service(name: str, value: str) -> bool:
    return _OF_SERVICE.fullmatch(name) is not None or _is_service_port(name, value)


def _is_service_port(name: str, value: object) -> bool:
    return (
        name.upper().endswith("PORT")
        and isinstance(value, str)
        and _ADDRESS_OF_SERVICE.match(value) is not None
    )


def _hint(name: str, known: Collection[str]) -> str:
    bare = {variable.removeprefix(PREFIX) for variable in known}  # the prefix is like any other
    close = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1)
    return f"; did you mean {PREFIX}{close[0]}?" if close else ""


def _names_in_dotenv() -> set[str]:
    path = Path(DOTENV)
    names: set[str] = set()
    usable = set(os.environ)
    if not path.is_file():
        return names
    for line in parse_stream(io.StringIO(path.read_text(encoding="utf-8"))):
        if wrong := _what_is_wrong(line, names, usable):
            raise WrongSetting(f"{DOTENV}: {_place(line)} {wrong}")
        if line.key is not None:
            names.add(line.key.upper())
            if _is_whole(line.value, usable):
                usable.add(line.key)
            else:
                usable.discard(line.key)  # as in dotenv, it hides the one of the environment
    return names


def _what_is_wrong(line: Binding, names: Collection[str], usable: Collection[str]) -> str | None:
    """Return why a variable of ours would be lost, in a line or below it; None if none would."""
    if not _is_readable(line):
        return "cannot be read; should be NAME=value"
    if line.key is None or not _is_ours(line.key):
        return None
    if line.key.upper() in names:
        return "is there twice"
    if not _is_whole(line.value, usable):
        return "asks for a ${NAME} that is not set"
    return None


def _is_whole(value: str | None, usable: Collection[str]) -> bool:
    """Tell whether all variables in a value exist, in `${NAME}` or `${NAME:-default}`."""
    return value is not None and all(
        not isinstance(atom, Variable) or atom.default is not None or atom.name in usable
        for atom in parse_variables(value)
    )


def _is_readable(line: Binding) -> bool:
    """Tell whether a line is empty, a comment, a variable, or something others may understand.

    A name alone is for programs that pass their environment on. A value of several lines may be a
    quote that was not closed: it swallows the variables below it.
    """
    if line.error or line.key is None:
        return not line.error
    if not _PLAIN_NAME.fullmatch(line.key):
        return False
    if not line.key.upper().startswith(PREFIX.rstrip("_")):
        return _BELOW.search(line.value or "") is None
    if not _is_ours(line.key) or line.value is None:
        return False
    return "\n" not in line.value and _BEHIND.search(line.value) is None


def _place(line: Binding) -> str:
    """Name a line, and its variable if that is certain, but nothing else of it."""
    text = line.original.string
    bare = text.lstrip("\ufeff \t\r\n")
    number = line.original.line + text[: len(text) - len(bare)].count("\n")
    name = _OUR_NAME.match(bare)
    return f"line {number} ({name[1].upper()})" if name else f"line {number}"
