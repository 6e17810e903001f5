"""The compilation and the run of each program of docs/verifying.md, with its tools and pins."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clients.languages import Command, lacking

HERE = Path(__file__).parent
ALL = ("EdDSA", "ES256", "RS256")
NO_EDDSA = ("ES256", "RS256")


def _nothing(_: Path) -> list[Command]:
    return []


@dataclass(frozen=True)
class Verifier:
    """A program, the algorithms that its library knows, and what is run in its own folder.

    `prepare` fetches, once a change of pins; `pins` is the folder here whose files are laid there.
    """

    name: str
    knows: tuple[str, ...]
    run: Callable[[Path], Command]
    needs: tuple[str, ...] = ()
    pins: str | None = None
    prepare: Callable[[Path], list[Command]] = _nothing
    build: Callable[[Path], list[Command]] = _nothing
    see: Command | None = None

    def lacks(self) -> list[str]:
        """Name what this machine lacks."""
        missing = lacking(self.needs)
        if not missing and self.see:
            seen = subprocess.run(self.see, capture_output=True, check=False).returncode == 0
            return [] if seen else [" ".join(self.see)]
        return missing


def _jars(folder: Path) -> Path:
    return folder.parent / "jars"


def _fetch_jars(folder: Path) -> list[Command]:
    jars, pom, digests = _jars(folder), HERE / "jvm" / "pom.xml", HERE / "jvm" / "jars.sha256"
    plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    return [
        ["mvn", "-B", "-q", "-f", str(pom), plugin, f"-DoutputDirectory={jars}"],
        ["sh", "-c", f'cd "{jars}" && sha256sum --check --strict --quiet "{digests}"'],
    ]


def _class_path(folder: Path) -> str:
    return os.pathsep.join([str(_jars(folder) / "*"), "out"])


def _javac(folder: Path) -> list[Command]:
    return [["javac", "-cp", _class_path(folder), "-d", "out", "Verify.java"]]


def _kotlinc(folder: Path) -> list[Command]:
    compiler = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
    jars = os.pathsep.join(str(jar) for jar in sorted(_jars(folder).glob("*.jar")))
    options = ["-no-stdlib", "-no-reflect", "-nowarn", "-cp", jars, "-d", "out", "Verify.kt"]
    return [["java", "-cp", _class_path(folder), compiler, *options]]


def _java(name: str) -> Callable[[Path], Command]:
    return lambda folder: ["java", "-cp", _class_path(folder), name]


def _node(_: Path) -> Command:
    return ["node", "verify.mjs"]


def _npm(folder: Path) -> list[Command]:
    # Both programs for Node find it above their own folders.
    files = [str(HERE / "node" / name) for name in ("package.json", "package-lock.json")]
    above = str(folder.parent)
    install = ["npm", "ci", "--prefix", above, "--no-audit", "--no-fund", "--silent"]
    return [["cp", *files, above], install]


def _venv(folder: Path) -> list[Command]:
    pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    options = ["--quiet", "--no-deps", "--require-hashes", "-r", "requirements.txt"]
    return [[sys.executable, "-m", "venv", "--clear", "venv"], [*pip, "install", *options]]


VERIFIERS = (
    Verifier("pyjwt", ALL, lambda _: [sys.executable, "verify.py"]),
    Verifier(
        "joserfc",
        ALL,
        lambda folder: [str(folder / "venv" / "bin" / "python"), "verify.py"],
        pins="python",
        prepare=_venv,
    ),
    Verifier("jose", ALL, _node, ("node", "npm"), prepare=_npm),
    Verifier("jsonwebtoken", NO_EDDSA, _node, ("node", "npm"), prepare=_npm),
    Verifier(
        "go",
        ALL,
        lambda _: ["./verify"],
        ("go",),
        pins="go",
        build=lambda _: [["go", "vet", "."], ["go", "build", "-o", "verify", "."]],
    ),
    Verifier(
        "nimbus", NO_EDDSA, _java("Verify"), ("javac", "mvn"), prepare=_fetch_jars, build=_javac
    ),
    Verifier(
        "spring", NO_EDDSA, _java("Verify"), ("javac", "mvn"), prepare=_fetch_jars, build=_javac
    ),
    Verifier(
        "kotlin", NO_EDDSA, _java("VerifyKt"), ("java", "mvn"), prepare=_fetch_jars, build=_kotlinc
    ),
    Verifier(
        "php",
        ALL,
        lambda _: ["php", "verify.php"],
        ("php", "composer"),
        pins="php",
        prepare=lambda folder: (
            []
            if (folder / "vendor").exists()
            else [["composer", "install", "--quiet", "--no-interaction"]]
        ),
    ),
    Verifier(
        "ruby",
        NO_EDDSA,
        lambda _: ["ruby", "verify.rb"],
        ("ruby",),
        see=["ruby", "-r", "jwt", "-e", "1"],
    ),
    Verifier(
        "rust",
        ALL,
        lambda _: ["target/debug/verify"],
        ("cargo",),
        pins="rust",
        build=lambda _: [["cargo", "build", "--quiet"]],
    ),
)
