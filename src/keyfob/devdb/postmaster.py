"""The server process of a cluster: found by its pid file and socket, started and stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from keyfob.core.stopping import pause
from keyfob.devdb.errors import DevDbError
from keyfob.devdb.programs import Programs

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
_POLL_SECONDS = 0.02
_START_SECONDS = 60.0
_WAYS_TO_STOP = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))

# For a machine that the server shares with the service; each can be overridden.
_DEFAULTS = {
    "shared_buffers": "128MB",
    "max_connections": "200",
    "huge_pages": "off",
    "io_method": "sync",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}

# Servers that this process started: a dead child must be reaped, or its pid looks alive.
_children: "list[subprocess.Popen[bytes]]" = []


class Postmaster:
    """The server of the cluster in a folder, whichever process started it."""

    def __init__(self, cluster: Path, socket_dir: Path) -> None:
        self._cluster = cluster
        self._socket = socket_dir / SOCKET

    def pid(self) -> int | None:
        """Return the process id of the server; None if it does not run."""
        _children[:] = [child for child in _children if child.poll() is None]
        recorded = self._recorded()
        if not recorded or not recorded[0].strip().isdigit():
            return None
        pid = int(recorded[0])
        return pid if self._is_ours(pid) else None

    def is_ready(self) -> bool:
        """Tell whether the server accepts connections."""
        recorded = self._recorded()
        return len(recorded) > 7 and recorded[7].strip() == "ready" and self._accepts()

    def launch(self, programs: Programs, options: Mapping[str, str], log: IO[bytes]) -> None:
        """Start the server if it does not run, and wait until it accepts connections.

        Raises:
            DevDbError: it ended, or was not ready in time.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_ready():
            # Otherwise it was left while it was starting or stopping.
            if self.pid() is None and not self._accepts():
                self._forget_dead_one()
                if self._launch_once(programs, options, log, deadline):
                    return
                if not _ends_with_old_sessions(log):
                    raise DevDbError("the embedded PostgreSQL did not start")
            if time.monotonic() > deadline:
                raise DevDbError(f"the embedded PostgreSQL was not ready in {_START_SECONDS:.0f} s")
            pause(_POLL_SECONDS)

    def stop(self, ways: Iterable[tuple[int, float]] = _WAYS_TO_STOP) -> None:
        """Stop the server: cut its sessions and write everything; use harsher signals if needed.

        Args:
            ways: the signals to send, one after the other, each with the seconds to wait after it.

        Raises:
            DevDbError: the server does not even end when killed.
        """
        for how, seconds in ways:
            pid = self.pid()
            if pid is None:
                return
            os.kill(pid, how)
            deadline = time.monotonic() + seconds
            while self.pid() is not None and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        if self.pid() is not None:
            raise DevDbError("the embedded PostgreSQL does not stop")

    def _launch_once(
        self, programs: Programs, options: Mapping[str, str], log: IO[bytes], deadline: float
    ) -> bool:
        settings = {
            **_DEFAULTS,
            **options,
            # No network, and only the cluster's owner can enter its folder (0700, which PostgreSQL
            # insists on): that is why no password is needed.
            "listen_addresses": "",
            "unix_socket_directories": ".",
            "port": str(PORT),
            "cluster_name": self._name(),
        }
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        child = programs.start("postgres", *arguments, cluster=self._cluster, output=log)
        _children.append(child)
        try:
            while child.poll() is None and time.monotonic() < deadline:
                if self.pid() == child.pid and self.is_ready():
                    return True
                pause(_POLL_SECONDS)
        except BaseException:
            child.send_signal(signal.SIGQUIT)
            child.wait()
            raise
        return False

    def _forget_dead_one(self) -> None:
        """Remove the pid file of a server that was killed.

        PostgreSQL does so itself, except if the pid now belongs to another process, which is always
        so after a container restarts. A second server is still impossible: it would find the shared
        memory of the first.
        """
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _recorded(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return []

    def _name(self) -> str:
        return f"keyfob-{self._cluster.stat().st_ino}"

    def _is_ours(self, pid: int) -> bool:
        """Tell whether a pid is that of a live server, not of another process that got it since."""
        try:
            if Path("/proc/self/cmdline").exists():
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                return f"cluster_name={self._name()}".encode() in command.split(b"\0")
            os.kill(pid, 0)
        except OSError:
            return False
        return True

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            try:
                connection.connect(str(self._socket))
            except OSError:
                return False
            if sys.platform != "linux":
                return self.pid() is not None
            # The children of a killed server can keep its socket open for a moment, so ask which
            # process opened it. 0: a server in another container that uses the same data.
            listener = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            pid = int.from_bytes(listener[:4], sys.byteorder)
            return pid == 0 or self._is_ours(pid)


def _ends_with_old_sessions(log: IO[bytes]) -> bool:
    """Tell whether a start failed because sessions of a killed server had not ended yet."""
    log.seek(-min(log.seek(0, os.SEEK_END), 2000), os.SEEK_END)
    return b"is still in use" in log.read()
