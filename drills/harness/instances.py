"""The service as drills start it: real processes of `keyfob serve`, and a PostgreSQL to break."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from bench.harness.servers import Server, keyfob

# Cheap hashes, so that drills are about the database and not about bcrypt. A grace time longer
# than any drill: a client whose answer was lost presents its token again and is no thief.
SETTINGS: dict[str, object] = {
    "BCRYPT_COST": 4,
    "ISSUER": "http://localhost/auth",  # not of the port: tokens must outlive an instance
    "REFRESH_GRACE": 300,
    "LIMIT_REFRESH": "1000000/minute",
}

# Seconds after the database's return within which the service serves again, by itself.
LONGEST_RECOVERY = 5.0


@contextmanager
def instance(dsn: str, **settings: object) -> Iterator[Server]:
    """Run `keyfob serve` on a database; the schema is migrated when it serves."""
    with keyfob(dsn, **{**SETTINGS, **settings}) as server:
        yield server


@asynccontextmanager
async def running(dsn: str, **settings: object) -> AsyncIterator[Server]:
    """Run `instance` while the event loop goes on: a proxy in it, or a crowd, is not held up."""
    serving = instance(dsn, **settings)
    server = await asyncio.to_thread(serving.__enter__)
    try:
        yield server
    finally:
        await asyncio.to_thread(serving.__exit__, None, None, None)


def workers_of(server: Server) -> list[int]:
    """The processes that serve, where there are several workers."""
    return [pid for pid in server.pids[1:] if b"serving.worker" in _command(pid)]


def kill(pid: int) -> None:
    """End a process as a crash would, without a word."""
    os.kill(pid, signal.SIGKILL)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""
