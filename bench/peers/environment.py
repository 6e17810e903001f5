"""A venv of pinned packages for a contestant in Python, apart from ours."""

import re
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bench.peers.contestant import Unavailable

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
        """Where the contestant's app and its requirements are."""
        return ROOT / "bench/peers" / self.name

    @property
    def folder(self) -> Path:
        return ROOT / ".bench" / self.name

    @property
    def python(self) -> str:
        return str(self.folder / "bin/python")

    def version(self, package: str) -> str:
        """Return the pinned version of a package, for the Python that the bench runs on.

        Raises:
            LookupError: it is not among the requirements.
        """
        pins = re.findall(
            rf"^{re.escape(package)}==(\S+)( ; \S.*)? \\$", self._requirements.read_text(), re.M
        )
        if len(pins) != 1:
            raise LookupError(f"{package} is pinned {len(pins)} times in {self._requirements}")
        version: str = pins[0][0]
        return version

    def install(self) -> None:
        """Make the venv anew, unless it is made of these pins and this Python already.

        Raises:
            Unavailable: a package cannot be had.
        """
        stamp = self.folder / "installed"
        wanted = sha256(self._requirements.read_bytes() + sys.version.encode()).hexdigest()
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        self._uv("venv", "--clear", "--python", sys.executable, str(self.folder))
        # Named outright: `python -m uv` takes the venv it runs in, which is ours, for its target.
        self._uv(
            "pip",
            "install",
            "--python",
            self.python,
            "--require-hashes",
            "--requirement",
            str(self._requirements),
        )
        stamp.write_text(wanted)

    @property
    def _requirements(self) -> Path:
        return self.sources / "requirements.txt"

    def _uv(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "uv", "--quiet", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unavailable(f"{self.name} cannot be installed: {done.stderr.strip()}")
