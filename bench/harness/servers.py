"""Starts what is measured: Keyfob, and the bare app beside it, on one PostgreSQL."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.harness.cluster import free_port
from keyfob.devdb.server import EmbeddedPostgres

HOST = "127.0.0.1"
_START_SECONDS = 180  # on cores that others use, one on the JVM was seen to take over a minute
SECRET = "a secret key of the benchmark only"
KEYFOB = [sys.executable, "-m", "keyfob.cli"]
ADMIN = ("admin@example.com", "bench admin password 7")


@dataclass(frozen=True)
class Server:
    """A started process and where it listens."""

    port: int
    process: "subprocess.Popen[bytes]"
    started_in: float

    @property
    def pids(self) -> list[int]:
        """The process and its children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, children.read_text().split())]


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL for one run, with the durability of production."""
    with tempfile.TemporaryDirectory(prefix="keyfob-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "data")
        try:
            yield server.start()
        finally:
            server.stop()


@contextlib.contextmanager
def keyfob(dsn: str, **settings: object) -> Iterator[Server]:
    """`keyfob serve` on that database, the embedded one if it is empty; settings without prefix."""
    port = int(str(settings.get("PORT", 0))) or free_port()
    environment = environment_of(dsn, **{**settings, "PORT": port})
    with run([*KEYFOB, "serve"], port, "/health/ready", environment) as server:
        yield server


def environment_of(dsn: str, **settings: object) -> dict[str, str]:
    """The environment of `keyfob` and its other commands; settings are given without prefix."""
    return {
        **({"KEYFOB_DATABASE_URL": dsn, "KEYFOB_SECRET_KEY": SECRET} if dsn else {}),
        "KEYFOB_ADMIN_EMAIL": ADMIN[0],
        "KEYFOB_ADMIN_PASSWORD": ADMIN[1],
        "KEYFOB_LIMITS": "off",
        "KEYFOB_METRICS": "false",
        "KEYFOB_LOG_LEVEL": "warning",
        **{f"KEYFOB_{name}": str(value) for name, value in settings.items()},
    }


@contextlib.contextmanager
def bare(dsn: str) -> Iterator[Server]:
    """The bare ASGI app of `bench.limit.bare_app` on the same database."""
    port = free_port()
    command = [sys.executable, "-m", "bench.limit.bare_app", str(port), dsn]
    with run(command, port, "/", {}) as server:
        yield server


@contextlib.contextmanager
def run(command: list[str], port: int, path: str, environment: dict[str, str]) -> Iterator[Server]:
    """Start a server, wait for its first 200, and stop it at the end."""
    inherited = {name: value for name, value in os.environ.items() if "KEYFOB" not in name}
    python_path = os.pathsep.join(["src", "."])
    started = time.perf_counter()
    quiet = None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL
    process = subprocess.Popen(
        command,
        env={**inherited, "PYTHONPATH": python_path, **environment},
        stdout=quiet,
        stderr=quiet,
    )
    try:
        _wait(port, path, process)
        yield Server(port, process, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int, path: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with (
            contextlib.suppress(OSError, urllib.error.URLError),
            urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=2) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.01)
    raise TimeoutError(f"the server did not answer within {_START_SECONDS} s")
