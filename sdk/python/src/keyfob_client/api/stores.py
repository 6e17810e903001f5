"""The place where a client keeps its tokens, and the lock that lets one refresh at a time."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import mkstemp
from typing import NamedTuple, Protocol

Release = Callable[[], None]


class Tokens(NamedTuple):
    """The tokens of a session.

    Attributes:
        access_token: what calls present.
        refresh_token: what is exchanged for the next tokens; good for one use.
        renew_at: when to do so, in seconds since 1970.
        session_id: the session.
    """

    access_token: str
    refresh_token: str
    renew_at: float
    session_id: str

    def __repr__(self) -> str:
        """Show no token: a representation ends up in logs."""
        return f"Tokens(session_id={self.session_id!r})"


class Store(Protocol):
    """Keeps tokens for one client, or for all that share them."""

    def load(self) -> Tokens | None:
        """Return the tokens; None if nobody is signed in."""

    def save(self, tokens: Tokens | None) -> None:
        """Keep tokens; None forgets them."""

    def try_lock(self) -> Release | None:
        """Take the lock, and return what gives it back; None if another has it. Never waits."""


class MemoryStore:
    """Keeps tokens in memory, for the threads and tasks of one process."""

    def __init__(self) -> None:
        self._tokens: Tokens | None = None
        self._lock = threading.Lock()

    def load(self) -> Tokens | None:
        """Return the tokens."""
        return self._tokens

    def save(self, tokens: Tokens | None) -> None:
        """Keep them."""
        self._tokens = tokens

    def try_lock(self) -> Release | None:
        """Take the lock, if it is free."""
        return self._lock.release if self._lock.acquire(blocking=False) else None


class FileStore:
    """Keeps tokens in a file that its owner alone may read, for any number of processes.

    Beside it is a file `.lock`, which stays: removing it would give two processes a lock each.

    Args:
        path: the file. Its folder has to be there.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def load(self) -> Tokens | None:
        """Return the tokens; a file that cannot be read as such counts as none."""
        try:
            read = json.loads(self._path.read_text("utf-8"))
            return Tokens(
                str(read["access_token"]),
                str(read["refresh_token"]),
                float(read["renew_at"]),
                str(read["session_id"]),
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def save(self, tokens: Tokens | None) -> None:
        """Keep them; a reader sees the old ones or the new, never half of them.

        Threat: in a folder where others may write, a file or link waits under the name that is
        written to. The name is a random one, and the file is always made anew, for its owner alone.
        """
        if tokens is None:
            self._path.unlink(missing_ok=True)
            return
        descriptor, name = mkstemp(prefix=f"{self._path.name}.", dir=self._path.parent)
        written = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(tokens._asdict(), file)
                file.flush()
                os.fsync(file.fileno())  # a lost refresh token is a lost session
            written.replace(self._path)
        except BaseException:
            written.unlink(missing_ok=True)
            raise

    def try_lock(self) -> Release | None:
        """Take the lock, if it is free; it ends with the process at the latest."""
        import fcntl  # noqa: PLC0415 - Windows has none, and may use the other store

        path = self._path.with_name(f"{self._path.name}.lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None

        def release() -> None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a fork meanwhile would keep it otherwise
            os.close(descriptor)

        return release
