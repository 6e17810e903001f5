"""What `make clients` and `make conformance` run is there, and pinned."""

import re
from pathlib import Path

import pytest
from clients.languages import HERE, LANGUAGES

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text("utf-8")
NAMES = {language.name for language in LANGUAGES}


def test_what_conformance_runs_are_clients_that_there_are() -> None:
    [named] = re.findall(r"^FOREIGN = (.+)$", MAKEFILE, re.MULTILINE)

    assert set(named.split()) <= NAMES
    assert len(NAMES) == len(LANGUAGES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_a_client_downloads_is_committed_with_its_digest(name: str) -> None:
    folder = HERE / name
    pairs = {
        "package.json": "package-lock.json",
        "go.mod": "go.sum",
        "pom.xml": "jars.sha256",
        "requirements.in": "requirements.txt",
    }

    assert folder.is_dir()
    for asked, pinned in pairs.items():
        if (folder / asked).exists():
            assert (folder / pinned).stat().st_size > 0
    if (folder / "requirements.in").exists():
        assert f"--output-file clients/{name}/requirements.txt" in MAKEFILE
