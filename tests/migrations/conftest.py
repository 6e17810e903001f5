"""A copy of the checkout, and Alembic in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, as far as Alembic is concerned, below a name with a space."""
    copy = tmp_path_factory.mktemp("a copy") / "the project"
    copy.mkdir()
    shutil.copy(ROOT / "alembic.ini", copy)
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


Alembic = Callable[..., str]


@pytest.fixture
def alembic(checkout: Path) -> Alembic:
    """Run Alembic from the project's root, as a person would."""

    def run(*arguments: str, **variables: str) -> str:
        done = run_alembic(checkout, *arguments, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def run_alembic(
    checkout: Path, *arguments: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run Alembic in a copy of the project, with additional environment variables."""
    # Without coverage: the copy's files would count beside the originals.
    bare = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHONPATH", "COV"))
    }
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        env=bare | variables,
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
