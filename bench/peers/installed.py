"""Puts what a contestant on Node, the JVM or Go needs into `.bench/<name>`, once for its pins."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers.contestant import Unavailable

INSTALLED = Path(__file__).resolve().parents[2] / ".bench"
_STAMP = ".installed"


def install_once(name: str, pins: Sequence[Path], put: Callable[[Path], None]) -> None:
    """Call `put` with an empty `.bench/<name>`, unless it was filled from these same pins."""
    folder = INSTALLED / name
    stamp = hashlib.sha256(b"\0".join(pin.read_bytes() for pin in pins)).hexdigest()
    mark = folder / _STAMP
    if mark.exists() and mark.read_text() == stamp:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    put(folder)
    mark.write_text(stamp)


def program(name: str) -> str:
    """Find a program that a contestant needs.

    Raises:
        Unavailable: this machine does not have it.
    """
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"{name} is not installed on this machine")
    return found


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a step of an installation or of a first start, politely, in that folder.

    Raises:
        Unavailable: it failed; with the end of what it said.
    """
    ended = subprocess.run(
        ["nice", *command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if ended.returncode:
        raise Unavailable(f"{Path(command[0]).name} {command[1]} failed: {ended.stdout[-1500:]}")


@dataclass(frozen=True)
class Packages:
    """npm packages as `bench/peers/<name>/package-lock.json` pins them, in `.bench/<name>`.

    Node finds packages beside the program that asks for them, so the programs are copied there.
    """

    name: str

    @property
    def sources(self) -> Path:
        return Path(__file__).parent / self.name

    @property
    def folder(self) -> Path:
        return INSTALLED / self.name

    def version(self, package: str) -> str:
        """Return the version that is pinned of a package."""
        lock = json.loads((self.sources / "package-lock.json").read_text())
        version: str = lock["packages"][f"node_modules/{package}"]["version"]
        return version

    def install(self) -> None:
        """Install what is pinned, once.

        Raises:
            Unavailable: Node or npm is missing, or a package cannot be had.
        """
        program("node")
        programs = sorted(self.sources.glob("*.mjs"))
        pins = [self.sources / name for name in ("package.json", "package-lock.json", ".npmrc")]
        install_once(self.name, [*pins, *programs], self._put)

    def _put(self, folder: Path) -> None:
        for file in (*self.sources.glob("*.json"), *self.sources.glob("*.mjs")):
            shutil.copy(file, folder)
        shutil.copy(self.sources / ".npmrc", folder)
        run([program("npm"), "ci", "--no-progress"], folder)
