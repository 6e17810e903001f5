"""The commands of docs/apps register what they say, and the index names each page."""

import re
import shlex
from pathlib import Path

import pytest
from tests.cli.conftest import Run

FOLDER = Path(__file__).parents[2] / "docs" / "apps"
PAGES = sorted(page.name for page in FOLDER.glob("*.md") if page.name != "README.md")
PROGRAM = ".venv/bin/keyfob "


def commands_of(page: str) -> list[list[str]]:
    """Return the words of each command of ours on a page."""
    blocks = re.findall(r"(?ms)^```sh\n(.+?)^```$", (FOLDER / page).read_text("utf-8"))
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    ours = [line.removeprefix(PROGRAM) for line in lines if line.startswith(PROGRAM)]
    return [shlex.split(line.partition(" > ")[0]) for line in ours]


@pytest.mark.parametrize("page", [name for name in PAGES if name != "mcp.md"])
def test_the_command_of_a_page_registers_the_app(page: str, keyfob: Run) -> None:
    commands = commands_of(page)
    assert commands
    text = (FOLDER / page).read_text("utf-8")

    for words in commands:
        made = keyfob(*words, "--json").json

        named = [at for at, word in enumerate(words) if word == "--redirect-uri"]
        places = [words[at + 1] for at in named]
        assert made["redirect_uris"].split() == places
        assert made["kind"] == words[words.index("--kind") + 1]
        assert ("client_secret" in made) == (made["kind"] == "web")
    assert "<client_id>" in text or "Client ID" in text
    assert "## Signing out" in text


def test_the_commands_for_a_server_of_mcp_prepare_it(keyfob: Run, in_world: object) -> None:
    made, role, given = commands_of("mcp.md")

    assert keyfob(*made, "--json").json["scopes"] == "notes:read"
    assert keyfob(*role, "--json").code == 0
    assert keyfob(*given).refusal == "ada@example.com: there is no such user"


def test_the_index_names_each_page_and_says_whether_it_was_tried() -> None:
    rows = re.findall(
        r"^\| \[[^]]+\]\(([a-z0-9-]+\.md)\)[^|]*\| (no|yes: `make clients ARGS=[^`]+`) \|",
        (FOLDER / "README.md").read_text("utf-8"),
        re.MULTILINE,
    )

    assert [name for name, _ in rows] == PAGES
    for name, tried in rows:
        assert (tried == "no") == ("*Not tried" in (FOLDER / name).read_text("utf-8"))
