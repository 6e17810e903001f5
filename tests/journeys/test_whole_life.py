"""`docs/account.md` does what it says: its blocks are run as they stand, against a real service."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.harness.cluster import free_port
from tests.journeys.conftest import Start, wait_until

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "account.md"
ADMIN_PASSWORD = "the analyst of engines"

# Of each section: the states that its calls end with, in their order.
STATES = {
    "Register, and prove the address": [202, 200, 200],
    "Forget the password": [202, 202, 204, 401, 200],
    "Change the profile, the password, the address": [200, 202, 204, 200],
    "See where you are signed in": [200, 204, 200],
    "Add a second factor": [200, 200, 401, 200, 200, 200, 401, 200],
    "Add a passkey, and sign in with it alone": [],
    "Take your data, leave, and come back": [200, 202, 204],
    "As an administrator": [
        *(201, 204, 200),  # an invitation
        *(201, 403, 204, 200),  # a password to be changed
        *(202, 204, 200),  # lost factors
        *(200, 200),  # many at once, and undone
        *(204, 401, 200),  # removed
    ],
    "What is left": [],
}


def sections() -> dict[str, list[str]]:
    """Return the shell blocks of the page by their headings, in order."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        heading: re.findall(r"^```sh\n(.+?)^```$", text, re.MULTILINE | re.DOTALL)
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder for the guide's commands, with the Python of the tests as that of the checkout."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (tmp_path / ".keyfob-walk").mkdir()
    return tmp_path


@pytest.fixture
def catcher(folder: Path) -> Iterator[int]:
    """The mail server of the page's first terminal; gives its port."""
    _, catching = sections()["Three terminals"][0].splitlines()
    port = free_port()
    assert "localhost:1025" in catching
    server = subprocess.Popen(
        ["bash", "-c", f"exec {catching.replace('localhost:1025', f'127.0.0.1:{port}')}"],
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    yield port
    server.terminate()
    server.wait(timeout=20)


def run(folder: Path, url: str) -> dict[str, str]:
    """Paste every block into one shell; return what each section printed."""
    setting_up, *walk = sections().items()
    script = setting_up[1][2]
    assert "api=http://localhost:8000/auth\n" in script
    script = script.replace("http://localhost:8000/auth", url)
    for heading, blocks in walk:
        script += f"\nprintf '\\n## %s\\n' '{heading}'\n" + "".join(blocks)
    assert "'the printed password'" in script
    done = subprocess.run(
        ["bash", "-u", "-c", script.replace("the printed password", ADMIN_PASSWORD)],
        cwd=folder,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    parts = re.split(r"^## (.+)$", done.stdout, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_block_of_the_page_does_what_it_says(
    start: Start, folder: Path, catcher: int
) -> None:
    starting = sections()["Three terminals"][1]
    settings = dict(re.findall(r"KEYFOB_(\w+)=(\S+)", starting))
    assert settings == {
        "DATA_DIR": ".keyfob-walk",
        "SMTP_URL": "smtp://localhost:1025",
        "VERIFY_EMAIL": "required",
    }
    instance = start(
        ADMIN_PASSWORD=ADMIN_PASSWORD,
        SMTP_URL=f"smtp://127.0.0.1:{catcher}",
        VERIFY_EMAIL=settings["VERIFY_EMAIL"],
    )
    wait_until(lambda: instance.is_ready)

    said = run(folder, instance.url)

    states = {
        heading: [int(state) for state in re.findall(r"^(\d{3})$", text, re.MULTILINE)]
        for heading, text in said.items()
    }
    assert states == STATES, said
    assert "Subject: A sign-in from a new device" in said["See where you are signed in"]
    assert "Device: Firefox 132, Linux" in said["See where you are signed in"]
    assert '"code": "insufficient_user_authentication"' in said["Add a second factor"]
    assert said["Add a second factor"].count('"recovery_codes":["') == 2
    assert '"countess@example.com"' in said["Take your data, leave, and come back"]
    assert not (folder / "mails.txt").exists()
    assert instance.stop() == 0
