"""Connecting where the URL names several hosts: a primary and its standbys.

asyncpg asks one host after the other, and waits for one whose machine is gone until the whole time
is up: the standby that was promoted in its place would never be asked. Here the next host gets its
turn soon, and the first that will do (`target_session_attrs`) is taken.
"""

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg

# Seconds that a host has to itself before the next one is asked too (RFC 8305 section 5).
_HEAD_START = 0.25

# What asyncpg or PostgreSQL says to something that the URL asks for, and would say each time.
_REFUSED = (
    asyncpg.SyntaxOrAccessError,
    asyncpg.DataError,
    asyncpg.CantChangeRuntimeParamError,
)

# PostgreSQL says what it was given as well: perhaps a piece of a password that was not encoded.
_PARAMETER = re.compile(
    'invalid value for parameter "[^"]+"|unrecognized configuration parameter "[a-z_.]+"'
)

Attempt = asyncio.Task["asyncpg.Connection[Any]"]


class CannotConnect(Exception):
    """The URL asks for what cannot be had; the message says what, and holds no password."""


async def connect(dsn: str, **options: Any) -> "asyncpg.Connection[Any]":
    """Connect as `asyncpg.connect` does, to the first of the URL's hosts that will do.

    Raises:
        CannotConnect: the URL asks for what cannot be had.
        Exception: what `asyncpg.connect` raised at the host that failed last.
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
    """Write a URL of several hosts (`postgresql://user@one:5432,two:5432/name`) as one for each."""
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
    except ValueError as fault:  # of a host, a port or a file that no library made sense of
        says = f"a host, a port or a file that it names cannot be used ({type(fault).__name__})"
        raise CannotConnect(says) from fault
    return connection


def _one_line(fault: Exception) -> str:
    return " ".join(str(fault).split())


def _tls_of(dsn: str) -> dict[str, Any]:
    """Return what asyncpg cannot read from a URL, after a look at the files that it names.

    It takes `sslrootcert=system`, libpq's word for the roots that the system trusts, for a file,
    and does not say which of the files it did not find.
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
    # It may have connected in the very moment in which it was no longer wanted.
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()
