"""Logging; the log never holds passwords, tokens, cookies or full e-mail addresses."""

import json
import logging
import os
import re
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog

_request_id: ContextVar[str] = ContextVar("request_id", default="")


# Also if an encoding puts a letter before it, as quoted-printable does (`=3Dkfl_`). Neither
# expression starts again within text that it has passed: otherwise a hostile path would take
# seconds.
_TOKEN = re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}|kf[a-z]{1,3}_[\w-]{8,}")
_EMAIL = re.compile(r"(?<![\w.+%-])([\w.+%-])[\w.+%-]*(?:@|%(?:25)*40)([\w-]+(?:\.[\w-]+)+)")
_SECRET_NAMES = re.compile(r"passw|token|secret|cookie|authorization|^code$", re.IGNORECASE)


class Shown(str):
    """A text that is meant to be read in the log unchanged, even with a link in it.

    It has no control characters except line breaks.
    """

    __slots__ = ()


def set_request_id(request_id: str) -> None:
    """Set the id of the current request, for logs and problems."""
    _request_id.set(request_id)


def current_request_id() -> str:
    """Return the id of the current request; an empty text outside a request."""
    return _request_id.get()


def mask_email(email: str) -> str:
    """Return the first character and the domain: enough to recognise, not enough to know."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}" if local else "***"


def _add_request_id(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if request_id := _request_id.get():
        event.setdefault("request_id", request_id)
    return event


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove secrets from a log event wherever they are; a last safeguard, not the first."""
    for name, value in event.items():
        if isinstance(value, Shown):
            continue
        if _SECRET_NAMES.search(name):
            event[name] = "[redacted]"
        elif isinstance(value, str):
            event[name] = _EMAIL.sub(r"\1***@\2", _TOKEN.sub("[redacted]", value))
    return event


def show_controls(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters, so that none ends a line or controls the terminal.

    A `Shown` text of several lines is printed below its event, unchanged.
    """
    for name, value in list(event.items()):
        if isinstance(value, Shown) and "\n" in value:
            event["stack"] = event.pop(name)  # where the renderer prints it
        elif isinstance(value, str) and name != "exception" and not value.isprintable():
            event[name] = value.encode("unicode_escape").decode("ascii")
    return event


def _console() -> list[Any]:
    # Not with Rich: its tracebacks show local variables, and so passwords.
    plain = structlog.dev.plain_traceback
    return [
        show_controls,
        structlog.dev.ConsoleRenderer(colors=_has_colors(), exception_formatter=plain),
    ]


def _has_colors() -> bool:
    """Tell whether the output is a terminal and colours are wanted (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _is_console(style: str) -> bool:
    return style == "console" or (style == "auto" and sys.stderr.isatty())


def announce(event: str, text: str, style: str) -> None:
    """Print a message for the operator at any log level, without breaking a log of JSON lines.

    `style` is as in `configure_logging`.
    """
    if not _is_console(style):
        says = "; ".join(filter(None, map(str.strip, text.split("\n"))))
        line = {"event": event, "level": "info", "says": says}
        structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "info", line)
        text = json.dumps(line)
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a command speaks to the shell


def configure_logging(level: str = "info", style: str = "auto") -> None:
    """Send every log line, ours and those of libraries, to standard error in one form.

    `style` is "json", "console", or "auto": console on a terminal, JSON elsewhere. A line break in
    a value cannot start a new line: both forms escape it.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                *(_console() if _is_console(style) else [structlog.processors.JSONRenderer()]),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
