"""The installations that `make` does, and their conditions."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Make = Callable[..., str]

# Tells which files were installed already when it begins.
INSTALL = 'echo "$1 after" $(cd .venv && ls -A | grep "^[.]") >>did\n'


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Run make in a checkout whose programs only print their names."""
    shutil.copy("Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    for name in ("runtime", "dev"):
        (tmp_path / "requirements" / f"{name}.txt").touch()
    write_program(tmp_path / "scripts/install", INSTALL)
    write_program(tmp_path / ".venv/bin/python", "echo python of .venv\n")

    def run(*arguments: str) -> str:
        did = tmp_path / "did"
        did.unlink(missing_ok=True)
        subprocess.run(["make", *arguments], cwd=tmp_path, check=True, capture_output=True)
        return did.read_text(encoding="utf-8") if did.exists() else ""

    return run


def test_two_targets_at_once_install_one_after_the_other(make: Make) -> None:
    assert make("-j", "run", "test") == (
        "requirements/runtime.txt after\nrequirements/dev.txt after .runtime\n"
    )


def test_tests_alone_install_once(make: Make) -> None:
    assert make("test") == "requirements/dev.txt after\n"
    assert make("run") == ""


def test_another_python_that_is_named_is_installed_into(make: Make, tmp_path: Path) -> None:
    write_program(tmp_path / "python-of-mine", "echo python of mine\n")
    make("run")

    assert make("run", "PYTHON=./python-of-mine") == "requirements/runtime.txt after .runtime\n"
    assert make("run", "PYTHON=.venv/bin/python") == ""
    assert make("run") == ""
