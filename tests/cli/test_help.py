"""Every command explains itself, and wrong usage differs from a refusal."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.cli.conftest import Run

from keyfob import __version__
from keyfob.cli.main import app

SOURCE = Path(__file__).parents[2] / "src"


def commands(command: Any = None, *path: str) -> Iterator[tuple[str, ...]]:
    """Name every command that does something."""
    command = command or typer.main.get_command(app)
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *path, name)
    if path and not hasattr(command, "commands"):
        yield path


COMMANDS = sorted(commands())


def test_these_are_the_commands() -> None:
    assert [" ".join(path) for path in COMMANDS] == [
        *(f"api-keys {verb}" for verb in ("list", "revoke", "revoke-found")),
        "audit begin-anew",
        *("clients add-secret", "clients change", "clients create", "clients delete"),
        "clients disable",
        *("clients enable", "clients list", "clients remove-secret", "clients secrets"),
        "doctor",
        "keys list",
        "keys rotate",
        "mail list",
        "mail retry",
        "migrate",
        "openapi",
        *(f"registration-tokens {verb}" for verb in ("create", "list", "remove")),
        *(f"resources {verb}" for verb in ("change", "create", "delete", "list")),
        *(f"roles {verb}" for verb in ("change", "create", "delete", "give", "list", "of")),
        *(f"roles {verb}" for verb in ("take", "why")),
        "serve",
        "users block",
        "users create",
        "users list",
        "users logout",
        "users mark-verified",
        "users reset-factors",
        "users set-role",
        "users unblock",
    ]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_says_what_a_command_does_with_an_example(
    keyfob_alone: Run, path: tuple[str, ...]
) -> None:
    said = keyfob_alone(*path, "--help")

    assert said.code == 0
    assert f"Usage: keyfob {' '.join(path)}" in said.out
    assert "Example" in said.out
    assert said.out.count(f"keyfob {' '.join(path)}") >= 2
    assert ("--json" in said.out) == (path not in {("serve",), ("migrate",), ("openapi",)})


@pytest.mark.parametrize("path", [(), ("users",), ("keys",), ("mail",)], ids=" ".join)
def test_a_group_alone_shows_its_commands_as_wrong_usage(
    keyfob_alone: Run, path: tuple[str, ...]
) -> None:
    asked, alone = keyfob_alone(*path, "--help"), keyfob_alone(*path)

    assert (asked.code, alone.code) == (0, 2)
    for command in COMMANDS:
        if command[: len(path)] == path:
            assert command[len(path)] in asked.out
    assert alone.out.strip() == asked.out.strip()


def test_the_version(keyfob_alone: Run) -> None:
    assert keyfob_alone("--version").out == f"{__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("users", "frobnicate"),
        ("users", "create"),
        ("users", "create", "a@example.com", "--role", "king"),
        ("users", "set-role", "a@example.com", "king"),
        ("users", "list", "--limit", "0"),
        ("users", "list", "--status", "asleep"),
        ("keys", "rotate", "--publish-ahead", "-1"),
        ("mail", "retry"),
        ("serve", "--port", "eighty"),
        ("serve", "--port", "65536"),
        ("serve", "--workers", "0"),
        ("doctor", "--loud"),
    ],
    ids=" ".join,
)
def test_wrong_usage_leaves_with_2(keyfob_alone: Run, arguments: tuple[str, ...]) -> None:
    said = keyfob_alone(*arguments)

    assert (said.code, said.out) == (2, "")
    assert "Usage: keyfob" in said.err
    assert "Traceback" not in said.err


def test_from_a_shell(tmp_path: Path) -> None:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "keyfob.cli", *arguments],
            env={"PATH": "", "PYTHONPATH": str(SOURCE), "KEYFOB_PORT": "no"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    told, refused = run("--version"), run("users", "list")

    assert (told.returncode, told.stdout, told.stderr) == (0, f"{__version__}\n", "")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("keyfob: KEYFOB_PORT: Input should be a valid integer")
    assert refused.stderr.count("\n") == 1
