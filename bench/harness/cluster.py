"""A PostgreSQL for measurements and drills: on TCP and a socket, and free to be broken.

Keyfob's embedded server listens on a socket only. Peers on Node and the JVM need TCP, and a drill
kills, restarts, fills and copies its server. The programs are those of the same wheel.
"""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from keyfob.devdb.programs import Account, Programs

HOST = "127.0.0.1"
USER = "postgres"
_START_SECONDS = 60.0
_OPTIONS = {
    "shared_buffers": "256MB",
    "max_connections": "300",
    "io_method": "sync",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


# Each process begins at another one.
_PORTS = itertools.count(os.getpid() * 101)


def free_port() -> int:
    """Find a port on loopback that nobody has, nor the next one above.

    It is below those that the kernel gives to connections (on Linux from 32768 on): of them, one
    that is free now may be taken when a server, which needs seconds to start, comes to listen.
    """
    while True:
        port = 20_000 + next(_PORTS) % 6_000 * 2
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


@dataclass
class Cluster:
    """One cluster in a folder of its own, with the durability of production.

    Args:
        folder: where its files are (`data`) and its log (`log`); an existing folder that the
            server's account may enter. `temporary` makes one.
        options: settings of PostgreSQL beside ours.
    """

    folder: Path
    options: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def programs(self) -> Programs:
        """PostgreSQL's programs (psql, pg_dump, pg_basebackup, pgbench, ... in `.folder`)."""
        return Programs.for_account(Account.for_cluster(self.data))

    def dsn(self, database: str = "postgres", *, tcp: bool = False) -> str:
        """The URL of a database: over the fast socket, or over TCP as from another machine."""
        if tcp:
            return f"postgresql://{USER}@{HOST}:{self.port}/{database}"
        return f"postgresql://{USER}@/{database}?host={quote(str(self.folder))}&port={self.port}"

    def make(self) -> None:
        """Make the files of a new cluster; whoever connects from this machine is trusted."""
        self._make_folder()
        self.run(
            "initdb", "--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale=C"
        )

    def follow(self, primary: "Cluster", name: str) -> None:
        """Make the files of a standby of a running primary, which knows it by that name."""
        self._make_folder()
        where = f"host={HOST} port={primary.port} user={USER} application_name={name}"
        self.run("pg_basebackup", "-d", where, "-D", ".", "-R", "-X", "stream", "-c", "fast")

    def promote(self) -> None:
        """Make a standby that runs the primary; return when it takes writes."""
        self.sql("SELECT pg_promote()")

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs beside the cluster and return what it printed.

        Raises:
            RuntimeError: it failed; with what it printed.
        """
        with tempfile.TemporaryFile() as output:
            child = self.programs.start(program, *arguments, cluster=self.data, output=output)
            code = child.wait()
            output.seek(0)
            said = output.read().decode(errors="replace")
        if code:
            raise RuntimeError(f"{program} ended with {code}: {said}")
        return said

    def start(self) -> None:
        """Start the server and wait until it takes connections.

        Raises:
            RuntimeError: it ended at once; the message ends with its log.
            TimeoutError: it does not take connections.
        """
        settings = {
            **_OPTIONS,
            **self.options,
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
        }
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = self.programs.start(
                "postgres", *arguments, cluster=self.data, output=log
            )
        until = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            if self.process.poll() is not None:
                tail = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"PostgreSQL ended with {self.process.returncode}\n{tail}")
            if time.monotonic() > until:
                raise TimeoutError("PostgreSQL does not take connections")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT cuts sessions and writes everything, SIGQUIT is a crash."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)
        self.process = None

    def kill(self) -> None:
        """Kill the server and all its backends, as a power cut would, and reap it."""
        assert self.process is not None
        victims = self.pids
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(60)
        self.process = None
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def create(self, database: str) -> str:
        """Make an empty database and return its `dsn` over the socket."""
        self.sql(f'CREATE DATABASE "{database}"')
        return self.dsn(database)

    def sql(self, statement: str) -> str:
        """Run a statement as the superuser; return its rows, one a line."""
        return self._psql("-c", statement)

    def script(self, path: Path) -> str:
        """Run a file of statements as the superuser, up to the first that fails.

        Raises:
            RuntimeError: one failed.
        """
        return self._psql("-v", "ON_ERROR_STOP=1", "-f", str(path))

    def _psql(self, *arguments: str) -> str:
        where = ("-h", str(self.folder), "-p", str(self.port), "-U", USER)
        return self.run("psql", *where, "-qtA", *arguments)

    @property
    def pids(self) -> list[int]:
        """The server and its backends at this moment."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, children.read_text().split())]

    def _is_ready(self) -> bool:
        recorded = self.data / "postmaster.pid"
        with contextlib.suppress(OSError):
            lines = recorded.read_text().splitlines()
            return len(lines) > 7 and lines[7].strip() == "ready"
        return False

    def _make_folder(self) -> None:
        self.data.mkdir(mode=0o700)
        self._own(self.folder)
        self._own(self.data)

    def _own(self, path: Path) -> None:
        account = Account.for_cluster(self.data)
        if account.borrowed:
            os.chown(path, account.uid, account.gid)


# Of a primary: a commit is acknowledged when its standby has it on disk, too.
SYNCHRONOUS = {"synchronous_standby_names": "standby"}


def of_both(*clusters: Cluster) -> str:
    """The URL of whichever of some clusters takes writes."""
    named = ",".join(f"{HOST}:{cluster.port}" for cluster in clusters)
    return f"postgresql://{USER}@{named}/postgres?target_session_attrs=read-write"


@contextlib.contextmanager
def temporary(options: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Start a new cluster in a temporary folder; stop it and remove the folder at the end."""
    with _cluster(options, Cluster.make) as cluster:
        yield cluster


@contextlib.contextmanager
def standby(primary: Cluster, name: str = "standby") -> Iterator[Cluster]:
    """Start a standby of a running primary in a temporary folder; as `temporary`."""
    with _cluster(None, lambda cluster: cluster.follow(primary, name)) as cluster:
        yield cluster


@contextlib.contextmanager
def _cluster(
    options: Mapping[str, str] | None, make: Callable[[Cluster], None]
) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="kf-"))
    cluster = Cluster(folder, options or {})
    try:
        make(cluster)
        cluster.start()
        yield cluster
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
