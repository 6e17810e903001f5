"""The build context of `docker build`: all files that tests read, and none unknown to git."""

import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lets_in(path: str) -> bool:
    """Tell whether a file gets into the context: by the last line that fits it."""
    allowed = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.lstrip("!").removeprefix("**/")
        if not pattern or line.startswith("#"):
            continue
        parts = path.split("/")
        places = [parts] if "**/" not in line else [parts[start:] for start in range(len(parts))]
        if any(fnmatchcase(place[0], pattern) for place in places):
            allowed = line.startswith("!")
    return allowed


def test_the_image_of_the_tests_has_every_file_that_git_knows() -> None:
    ask = ["git", "ls-files", "-z"]
    listed = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not in a checkout: what git knows cannot be asked")

    kept_out = [path for path in listed.stdout.split("\0") if path and not lets_in(path)]

    assert kept_out == []


@pytest.mark.parametrize(
    "path",
    [".env", ".keyfob/secret-key", ".venv/bin/python", ".git/config", "src/a/__pycache__/b.pyc"],
)
def test_secrets_and_what_is_made_here_stay_outside(path: str) -> None:
    assert not lets_in(path)
