"""Connecting to a URL that names several hosts: a primary and its standbys.

asyncpg tries one host after the other, and waits for a dead machine until the whole time is up: it
would never try the standby that was promoted. Here the next host is tried soon after, and the first
suitable one (`target_session_attrs`) is taken.
"""

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg

# The seconds before the next host is tried in parallel (RFC 8305 section 5).
_HEAD_START = 0.25

# Errors of asyncpg or PostgreSQL about the URL, which would be the same at each attempt.
_REFUSED = (
    asyncpg.SyntaxOrAccessError,
    asyncpg.DataError,
    asyncpg.CantChangeRuntimeParamError,
)

# PostgreSQL's message goes on with the value: perhaps part of a password that was not encoded.
_PARAMETER = re.compile(
    'invalid value for parameter "[^"]+"|unrecognized configuration parameter "[a-z_.]+"'
)

Attempt = asyncio.Task["asyncpg.Connection[Any]"]


class CannotConnect(Exception):
    """The URL asks for something unsupported; the message says what, without a password."""


async def connect(dsn: str, **options: Any) -> "asyncpg.Connection[Any]":
    """Connect as `asyncpg.connect` does, to the first suitable host of the URL.

    Raises:
        CannotConnect: the URL asks for something that is not supported.
        Exception: the error of `asyncpg.connect` at the host that failed last.
    """
    waiting = one_host_each(dsn)
    if len(waiting) == 1:
        return await _connect(dsn, **options)
    attempts: list[Attempt] = []
    running: set[Attempt] = set()
    chosen: Attempt | None = None
    try:
        while True:
            if waiting:
                attempts.append(asyncio.create_task(_connect(waiting.pop(0), **options)))
                running.add(attempts[-1])
            patience = _HEAD_START if waiting else None
            done, running = await asyncio.wait(
                running, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            chosen = next((attempt for attempt in done if attempt.exception() is None), None)
            if chosen is not None or not (waiting or running):
                return (chosen or done.pop()).result()
    finally:
        for attempt in attempts:
            if attempt is not chosen:
                attempt.cancel()
                attempt.add_done_callback(_let_go)


def one_host_each(dsn: str) -> list[str]:
    """Split a URL of several hosts (`postgresql://user@one:5432,two:5432/name`) into one each."""
    parts = urlsplit(dsn)
    if "," not in parts.netloc:
        return [dsn]
    user, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=user + at + host)) for host in hosts.split(",")]


async def _connect(dsn: str, **options: Any) -> "asyncpg.Connection[Any]":
    connection: asyncpg.Connection[Any]
    try:
        connection = await asyncpg.connect(dsn, **_tls_of(dsn), **options)
    except _REFUSED as fault:
        told = _PARAMETER.match(str(fault))
        raise CannotConnect(told[0] if told else "PostgreSQL refuses what it asks for") from fault
    except asyncpg.ClientConfigurationError as fault:
        raise CannotConnect(_one_line(fault)) from fault
    except ssl.SSLCertVerificationError as fault:
        says = f"the server's certificate does not verify: {fault.verify_message}"
        raise CannotConnect(says) from fault
    except ValueError as fault:  # about a host, port or file that a library cannot read
        says = f"a host, a port or a file that it names cannot be used ({type(fault).__name__})"
        raise CannotConnect(says) from fault
    return connection


def _one_line(fault: Exception) -> str:
    return " ".join(str(fault).split())


def _tls_of(dsn: str) -> dict[str, Any]:
    """Return TLS options that asyncpg cannot read from a URL; check the files that it names.

    asyncpg takes `sslrootcert=system`, libpq's word for the roots that the system trusts, for a
    file name, and does not say which file it did not find.
    """
    given = parse_qs(urlsplit(dsn).query)
    if given.get("sslrootcert") == ["system"]:
        return {"ssl": ssl.create_default_context()}
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        for path in given.get(name, ()):
            try:
                Path(path).open("rb").close()
            except OSError as fault:
                raise CannotConnect(f"{name} cannot be read: {fault.strerror}") from None
    return {}


def _let_go(attempt: Attempt) -> None:
    # The attempt may have succeeded in the very moment in which it was no longer needed.
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()
