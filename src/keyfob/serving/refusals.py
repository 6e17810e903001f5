"""Refusals that the server sends before the application sees a request (RFC 9457)."""

import traceback
from collections.abc import Sequence
from pathlib import Path

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from keyfob.core.http import render_problem
from keyfob.core.http.edge import CSP, NO_STORE, REFERRER, always_sent
from keyfob.core.problems import Problem
from keyfob.core.secrets import random_text
from keyfob.core.telemetry import set_request_id

log = structlog.get_logger("keyfob.serving")

Headers = Sequence[tuple[bytes, bytes]]


class RequestTimeout(Problem):
    """The request did not arrive in time (RFC 9110 section 15.5.9)."""

    status = 408
    code = "request_timeout"
    title = "The request timed out"


class HeadTooLarge(Problem):
    """The request line and headers are larger than the limit (RFC 6585 section 5)."""

    status = 431
    code = "head_too_large"
    title = "The request's headers are too large, or too many"


def render_refusal(problem: Problem, default_headers: Headers, *, hsts: str | None) -> bytes:
    """Return a complete response, before a close. `default_headers` are uvicorn's (Date)."""
    request_id = random_text(12)
    set_request_id(request_id)
    answer = render_problem(problem)
    headers = [
        *default_headers,
        *answer.raw_headers,
        (b"x-request-id", request_id.encode()),
        CSP,
        NO_STORE,
        REFERRER,
        *always_sent(hsts=hsts),
        (b"connection", b"close"),
    ]
    head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[problem.status] + head + b"\r\n" + bytes(answer.body)


def log_fault(fault: Exception) -> None:
    """Record a bug that a client's bytes have met, in one short line.

    Threat: a client that can repeat it fills the disk with tracebacks.
    """
    place = traceback.extract_tb(fault.__traceback__)[-1]
    log.error(
        "cannot_read",
        fault=type(fault).__name__,
        place=f"{Path(place.filename).name}:{place.lineno}",
    )
