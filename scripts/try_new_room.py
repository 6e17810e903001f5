"""Print the central files that a new room has to touch, one per line.

A small room with a service, a route and a setting is built into a temporary copy of the code. The
trial succeeds if the copy serves the route and keeps its import contracts. The files in `ROOM` are
new and do not count; the ones in `CENTRAL` are changed, and counted. Docs and tests are left out.
If the way to add a room changes, change it here.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOM = {
    "src/keyfob/welcome/__init__.py": '"""A trial room."""\n',
    "src/keyfob/welcome/service.py": '''"""The greeting of newcomers."""


class Welcome:
    """Knows the words."""

    def __init__(self, words: str) -> None:
        self.words = words
''',
    "src/keyfob/welcome/routes.py": '''"""The route of the trial room."""

from typing import Annotated

from keyfob.core.http import Provided, router
from keyfob.welcome.service import Welcome

routes = router("Service")


@routes.get("/welcome")
async def say_welcome(welcome: Annotated[Welcome, Provided(Welcome)]) -> str:
    """Welcome a newcomer."""
    return welcome.words
''',
    "src/keyfob/welcome/room.py": '''"""The trial room."""

from keyfob.core.rooms import Room
from keyfob.settings import Settings
from keyfob.welcome import routes
from keyfob.welcome.service import Welcome


def build(*, settings: Settings) -> Room:
    """Build the service that welcomes newcomers."""
    return Room(services=[Welcome(settings.welcome_words)], routes=[routes.routes])
''',
    "src/keyfob/settings/welcome.py": '''"""The setting of the trial room."""

from pydantic import BaseModel, Field


class WelcomeSettings(BaseModel):
    """The greeting of newcomers."""

    welcome_words: str = Field("Welcome", description="The greeting of newcomers")
''',
}

# For each file: the texts after which something is inserted, and the insertion.
CENTRAL = {
    "src/keyfob/wiring.py": {'    "admin",\n': '    "welcome",\n'},
    "src/keyfob/settings/loading.py": {
        "from keyfob.settings.urls import with_ascii_host\n": (
            "from keyfob.settings.welcome import WelcomeSettings\n"
        ),
        "    RecordSettings,\n    FirstAdminSettings,\n": "    WelcomeSettings,\n",
    },
}

# The program that runs in the copy. It connects to nothing, so the database need not exist.
_SERVES = """
import asyncio, httpx
from keyfob.app import create_app
from keyfob.settings import Settings

async def ask():
    database = "postgresql://nobody@localhost/nothing"
    app = create_app(Settings(_env_file=None, database_url=database, secret_key=32 * "k"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://keyfob") as client:
        answer = await client.get("/welcome")
    assert answer.json() == "Welcome", answer.text

asyncio.run(ask())
"""
_KEEPS_CONTRACTS = "from importlinter.cli import lint_imports_command as check; check()"


class CannotTry(Exception):
    """The trial room does not fit the present code; the message says what to change here."""


def main() -> int:
    """Print the files, or the reason of a failure."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            for file in build_in(Path(folder)):
                print(file)
        except CannotTry as fault:
            print(f"scripts/try_new_room.py: {fault}", file=sys.stderr)
            return 1
    return 0


def build_in(folder: Path) -> list[str]:
    """Build the room into a copy of the code, check that it works, and return the changed files.

    Raises:
        CannotTry: a text to insert something after is gone, or the copy does not work.
    """
    shutil.copy("pyproject.toml", folder)
    shutil.copytree("scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree("src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in ROOM.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, additions in CENTRAL.items():
        _add(folder / name, additions)
    for program in (_SERVES, _KEEPS_CONTRACTS):
        _run(program, folder)
    return sorted(CENTRAL)


def _add(path: Path, additions: dict[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for after, added in additions.items():
        if text.count(after) != 1:
            raise CannotTry(f"{path.name} should hold {after!r} once")
        text = text.replace(after, after + added)
    path.write_text(text, encoding="utf-8")


def _run(program: str, folder: Path) -> None:
    # Without coverage, which would count the copy's files beside the originals.
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("KEYFOB_", "COV"))
    }
    environment["PYTHONPATH"] = str(folder / "src")
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        raise CannotTry(f"the room does not work:\n{ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    sys.exit(main())
