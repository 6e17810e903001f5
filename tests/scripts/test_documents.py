"""Each shell block of the documents is run by a test, or says why it is not."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from keyfob.cli.main import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# The headings whose blocks are run as they stand, and by what; none: the whole page.
RUN = {
    "README.md": ("A first session", "tests/journeys/test_newcomer.py"),
    "README.ru.md": ("Первый сеанс", "tests/journeys/test_newcomer.py"),
    "docs/apps/apache.md": ("", ""),
    "docs/apps/argo-cd.md": ("", ""),
    "docs/apps/gitea.md": ("", ""),
    "docs/apps/gitlab.md": ("", ""),
    "docs/apps/grafana.md": ("", ""),
    "docs/apps/keycloak.md": ("", ""),
    "docs/apps/mcp.md": ("", ""),
    "docs/apps/miniflux.md": ("", ""),
    "docs/apps/nextcloud.md": ("", ""),
    "docs/apps/oauth2-proxy.md": ("", ""),
    "docs/account.md": (None, "tests/journeys/test_whole_life.py"),
    "docs/backup.md": (None, "tests/journeys/test_backup.py"),
    "docs/imported-hashes.md": ("", ""),
    "docs/machines.md": (None, "tests/journeys/test_machines.py"),
    "docs/provider.md": ("", ""),
    "docs/runbook.md": ("", ""),
    "examples/browser/README.md": (None, "tests/journeys/test_examples.py"),
    "examples/django/README.md": (None, "tests/journeys/test_examples.py"),
    "examples/two-services/README.md": (None, "tests/journeys/test_examples.py"),
}


@pytest.mark.parametrize("name", RUN)
def test_each_shell_block_is_run_or_says_why_not(name: str) -> None:
    heading, runner = RUN[name]
    parts = re.split(r"^## (.+)$", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)
    sections = [("", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]

    unsaid = [
        block
        for title, text in sections
        if heading is not None and title != heading
        for before, block in re.findall(r"^(.*)\n```(?:sh|bash|shell)\n(.+)$", text, re.MULTILINE)
        if not re.fullmatch("<!-- not run: .+ -->", before)
    ]

    assert unsaid == []
    assert not runner or Path(name).name in (ROOT / runner).read_text("utf-8")


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.test.yml"])
def test_the_compose_files_say_that_no_test_runs_their_commands(name: str) -> None:
    assert "# No test runs these commands: they need Docker.\n" in (ROOT / name).read_text("utf-8")


def test_commands_in_the_text_are_commands_that_there_are() -> None:
    pages = [ROOT / "README.md", ROOT / "README.ru.md", ROOT / "SECURITY.md", *DOCS.glob("*.md")]
    pages += DOCS.glob("apps/*.md")
    named = {
        command
        for page in pages
        for command in re.findall(r"`(keyfob [a-z][^`\n]*)`", page.read_text("utf-8"))
    }

    assert len(named) > 20
    assert {command: fault for command in named if (fault := fault_of(command))} == {}


def fault_of(command: str) -> str:
    """Return the missing parts of a command: itself, or an option."""
    _, *words = shlex.split(command)
    found: Any = typer.main.get_command(app)
    while words and hasattr(found, "commands"):
        name = words.pop(0)
        if name not in found.commands:
            return f"no command {name}"
        found = found.commands[name]
    known = {"--help"} | {option for parameter in found.params for option in parameter.opts}
    return ", ".join(
        word for word in words if word.startswith("--") and word.partition("=")[0] not in known
    )
