"""Locks between processes, on files. The kernel releases them when a process dies in any way."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keyfob.core.stopping import pause
from keyfob.devdb.errors import DevDbError

_POLL_SECONDS = 0.02


def open_beside(path: Path, flags: int) -> int:
    """Open a file that only its folder's owner can read, even if root creates it."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


@contextmanager
def alone(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock of a file, which only one process at a time can do."""
    descriptor = open_beside(path, os.O_RDWR)
    try:
        deadline = time.monotonic() + seconds
        while not _lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise DevDbError(f"another process has held {path} for {seconds:.0f} s")
            pause(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


class Presence:
    """Tells other processes that this one uses the server."""

    def __init__(self, path: Path) -> None:
        self._descriptor = open_beside(path, os.O_RDWR)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def leave(self) -> bool:
        """Stop telling so; return whether no other process uses the server."""
        try:
            return _lock(self._descriptor, fcntl.LOCK_EX)
        finally:
            os.close(self._descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
