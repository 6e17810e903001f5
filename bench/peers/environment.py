"""A venv of pinned packages for a contestant in Python, apart from ours."""

import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from bench.harness.cluster import HOST, Cluster
from bench.peers.installed import INSTALLED, install_once, run

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Environment:
    """The venv `.bench/<name>` of `bench/peers/<name>/requirements.txt`.

    Args:
        name: of the contestant's folder.
    """

    name: str

    @property
    def sources(self) -> Path:
        """The folder of the contestant's app and its requirements."""
        return ROOT / "bench/peers" / self.name

    @property
    def folder(self) -> Path:
        return INSTALLED / self.name

    @property
    def python(self) -> str:
        return str(self.folder / "bin/python")

    def version(self, package: str) -> str:
        """Return the pinned version of a package, for the Python that the bench runs on.

        Raises:
            LookupError: it is not among the requirements.
        """
        lines = self._requirements.read_text().splitlines()
        pins = [Requirement(line.rstrip(" \\")) for line in lines if line[:1].isalnum()]
        for pin in pins:
            if pin.name == package and (pin.marker is None or pin.marker.evaluate()):
                return str(pin.specifier).removeprefix("==")
        raise LookupError(f"{package} is not pinned in {self._requirements}")

    def install(self) -> None:
        """Make the venv, unless it is made of these pins and this Python already.

        Raises:
            Unavailable: a package cannot be had.
        """
        install_once(self.name, [self._requirements, Path(sys.executable).resolve()], self._fill)

    def _fill(self, folder: Path) -> None:
        uv = [sys.executable, "-m", "uv", "--quiet"]
        run([*uv, "venv", "--python", sys.executable, str(folder)], ROOT)
        # Named outright: `python -m uv` takes the venv it runs in, which is ours, for its target.
        target = ["--python", self.python, "--no-deps", "--require-hashes"]
        run([*uv, "pip", "install", *target, "-r", str(self._requirements)], ROOT)

    @property
    def _requirements(self) -> Path:
        return self.sources / "requirements.txt"


def serve_asgi(environment: Environment, port: int) -> list[str]:
    """The command that serves `app` of the contestant's `app.py`: one worker, no access log.

    Connections rest for as long as with nginx: by uvicorn's own 5 s a client that waits while the
    others register would find its connection closed.
    """
    return [
        *(environment.python, "-m", "uvicorn", "app:app", "--app-dir", str(environment.sources)),
        *("--host", HOST, "--port", str(port), "--workers", "1"),
        *("--loop", "uvloop", "--http", "httptools", "--timeout-keep-alive", "75"),
        *("--no-access-log", "--log-level", "warning"),
    ]


def new_database(cluster: Cluster, name: str) -> str:
    """Make an empty database and return its DSN over TCP."""
    database = f"{name}_{uuid.uuid4().hex[:8]}"
    cluster.create(database)
    return cluster.dsn(database, tcp=True)
