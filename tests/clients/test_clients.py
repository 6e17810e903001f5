"""Clients of others, generated from the OpenAPI document or for OAuth. All: `make clients`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["python", "oauth-python"])
def test_clients_in_python_work(name: str) -> None:
    if not (ROOT / ".clients" / name / "prepared").exists():
        pytest.skip("their packages are not installed: make clients does that")

    done = subprocess.run(
        [sys.executable, "-m", "clients", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "generated, compiled and used" in done.stdout


def test_an_unknown_language_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clients", "cobol"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "no such language: cobol" in done.stderr
