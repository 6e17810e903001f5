"""Clients that others generate from the OpenAPI document, used. All of them: `make clients`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(
    not (ROOT / ".clients" / "python" / "prepared").exists(),
    reason="the generator is not installed: make clients does that",
)
def test_a_generated_python_client_works() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clients", "python"],
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
