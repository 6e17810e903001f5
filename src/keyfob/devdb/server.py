"""The embedded PostgreSQL of a data folder, shared by all Keyfob processes that use the folder.

The first process starts it, and the last one stops it. If a killed process left the server behind,
the next one takes it over.
"""

import atexit
import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import structlog

from keyfob.core.stopping import held_back, undisturbed
from keyfob.devdb.cluster import make_cluster
from keyfob.devdb.errors import DevDbError
from keyfob.devdb.locks import Presence, alone, open_beside
from keyfob.devdb.postmaster import PORT, SOCKET, Postmaster
from keyfob.devdb.programs import Account, Programs

_LONGEST_SOCKET_PATH = 103  # bytes; the limit of Linux is 107, of macOS 103
_TAIL_LINES = 12

log = structlog.get_logger("keyfob.devdb")


class EmbeddedPostgres:
    """PostgreSQL in a data folder, reachable through a unix socket only.

    Args:
        data_dir: the folder; created (0700) if it is missing. The cluster is in its `postgres`.
        options: additional settings of PostgreSQL, used if this process starts it.
        patience: the seconds to wait for another process that is starting or stopping it.
        longest_log: the size in bytes above which the log is emptied at the next start.
    """

    def __init__(
        self,
        data_dir: Path,
        options: Mapping[str, str] | None = None,
        *,
        patience: float = 90.0,
        longest_log: int = 10_000_000,
    ) -> None:
        self._folder = data_dir.expanduser().resolve()
        self._cluster = self._folder / "postgres"
        self._log_path = self._folder / "postgres.log"
        self._lock_path = self._folder / ".postgres.lock"
        self._options = dict(options or {})
        self._patience = patience
        self._longest_log = longest_log
        self._alias: Path | None = None
        self._presence: Presence | None = None

    @property
    def dsn(self) -> str:
        """A PostgreSQL URL for connections, with the socket's folder as its host."""
        return f"postgresql://keyfob@/keyfob?host={quote(str(self._socket_dir()))}&port={PORT}"

    def exists(self) -> bool:
        """Tell whether there is a cluster in the folder.

        Raises:
            DevDbError: this user cannot read the folder.
        """
        try:
            self._cluster.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as fault:
            raise _unusable(fault, self._cluster) from fault
        return True

    def is_running(self) -> bool:
        """Tell whether the server accepts connections, whichever process started it."""
        return self._postmaster().is_ready()

    def start(self) -> str:
        """Make sure that the server runs, and return its `dsn`. Blocks; may be called repeatedly.

        Raises:
            DevDbError: it cannot run; the message ends with the last lines of its log.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with held_back(), alone(self._lock_path, self._patience):
                self._join()
        except OSError as fault:
            raise _unusable(fault, self._folder) from fault
        return self.dsn

    def stop(self) -> None:
        """Stop using the server, and stop it if no other process uses it. Blocks; may be repeated.

        Raises:
            DevDbError: it does not stop.
        """
        with undisturbed():
            if self._presence is not None:
                server = self._postmaster()
                with alone(self._lock_path, self._patience):
                    if self._leave():
                        server.stop()
                        log.info("embedded_postgres_stopped")
            atexit.unregister(self.stop)

    def _join(self) -> None:
        # A signal handler may raise between any two instructions, even where a `finally` begins or
        # a `with` has not taken effect yet. Then only the exit of Python can still stop the server.
        atexit.register(self.stop)
        self._presence = self._presence or Presence(self._folder / ".postgres.users")
        try:
            self._launch()
        except BaseException:
            if self._leave():
                self._postmaster().stop()
            raise

    def _launch(self) -> None:
        if self.is_running():
            return
        programs = Programs.for_account(Account.for_cluster(self._cluster))
        with os.fdopen(open_beside(self._log_path, os.O_RDWR | os.O_APPEND), "a+b") as output:
            if os.fstat(output.fileno()).st_size > self._longest_log:
                output.truncate(0)
            begin = output.seek(0, os.SEEK_END)
            try:
                durable = self._options.get("fsync") != "off"
                make_cluster(self._cluster, programs, output, durable=durable)
                self._postmaster().launch(programs, self._options, output)
            except DevDbError as fault:
                output.seek(begin)
                said = output.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
                tail = [f"{self._log_path} ends:", *said] if said else []
                raise DevDbError("\n".join([str(fault), *tail])) from fault
        log.info("embedded_postgres_started", folder=str(self._cluster))

    def _leave(self) -> bool:
        presence, self._presence = self._presence, None
        return presence is not None and presence.leave()

    def _postmaster(self) -> Postmaster:
        return Postmaster(self._cluster, self._socket_dir())

    def _socket_dir(self) -> Path:
        """Return the cluster's folder, or a short link to it if clients cannot use its own path.

        The kernel limits the length of socket paths, and a comma in a URL's host begins another
        host. The link is in a folder of this process alone (0700), so nobody else can create it.
        """
        if _usable(self._cluster):
            return self._cluster
        if self._alias is None:
            short = tempfile.gettempdir()
            if not _usable(Path(short) / "keyfob-12345678" / "db"):
                short = "/tmp"  # noqa: S108 - mkdtemp makes a private folder in it
            self._alias = Path(tempfile.mkdtemp(prefix="keyfob-", dir=short)) / "db"
            self._alias.symlink_to(self._cluster)
            weakref.finalize(self, shutil.rmtree, self._alias.parent, ignore_errors=True)
        return self._alias


def _unusable(fault: OSError, path: Path) -> DevDbError:
    says = f"{fault.filename or path}: {fault.strerror}"
    if isinstance(fault, PermissionError):
        says += "; run this as the user who runs the service"
    return DevDbError(says)


def _usable(socket_dir: Path) -> bool:
    length = len(os.fsencode(socket_dir / SOCKET))
    return length <= _LONGEST_SOCKET_PATH and "," not in str(socket_dir)
