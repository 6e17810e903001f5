"""The command line, run in this process as by a shell."""

import asyncio
import io
import json
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import rich  # noqa: F401 - before `serve`, which would keep it out of this whole process
import structlog
import yaml  # noqa: F401 - likewise
from tests.fixtures.world import World

from keyfob.cli import main
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.stopping import ENDING
from keyfob.settings import Settings, variable_of

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """The result of a command, as the shell sees it."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """The one line of a refusal, without the name of the program."""
        assert (self.code, self.out) == (1, "")
        assert self.err.startswith("keyfob: ")
        assert self.err.count("\n") == 1
        return self.err.removeprefix("keyfob: ").strip()


Run = Callable[..., Outcome]


@pytest.fixture
def untouched_process() -> Iterator[None]:
    """Restore what a command changes in the whole process."""
    handlers, level = logging.root.handlers[:], logging.root.level
    configured, on_ending = structlog.get_config(), [signal.getsignal(one) for one in ENDING]
    yield
    for number, handler in zip(ENDING, on_ending, strict=True):
        signal.signal(number, handler)
    structlog.configure(**configured)
    logging.root.handlers[:], logging.root.level = handlers, level


@pytest.fixture
def keyfob_alone(
    untouched_process: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run a command without any configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    for name in Settings.model_fields:
        monkeypatch.delenv(variable_of(name), raising=False)

    def run(*arguments: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "argv", ["keyfob", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()  # discards earlier output
        code: Any = 0
        try:
            main()
        except SystemExit as left:
            code = left.code
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture
def keyfob(keyfob_alone: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the test's database."""
    monkeypatch.setenv("KEYFOB_DATABASE_URL", settings.dsn)
    monkeypatch.setenv("KEYFOB_SECRET_KEY", settings.secret_keys[0])
    monkeypatch.setenv("KEYFOB_BCRYPT_COST", "4")
    return keyfob_alone


@pytest.fixture
def in_world(settings: Settings) -> Callable[[Callable[[World], Coroutine[Any, Any, T]]], T]:
    """Run a story in an instance of the service beside the commands, with the same clock."""

    def run(story: Callable[[World], Coroutine[Any, Any, T]]) -> T:
        async def tell() -> T:
            async with World(settings, Clock()) as world:
                return await story(world)

        return asyncio.run(tell())

    return run


@pytest.fixture
def sql(settings: Settings) -> Callable[..., list[Any]]:
    """Run one statement on the test's database and return its rows."""

    def run(statement: str, *values: Any) -> list[Any]:
        async def ask() -> list[Any]:
            db = Database(settings.dsn)
            await db.open()
            try:
                return [tuple(row) for row in await db.fetch(statement, *values)]
            finally:
                await db.close()

        return asyncio.run(ask())

    return run


@pytest.fixture
def doctor(keyfob: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a place where `keyfob doctor` finds no problems."""
    keyfob("users", "create", "root@example.com", "--role", "admin")
    monkeypatch.setenv("KEYFOB_BCRYPT_COST", "12")

    def run(*options: str) -> Outcome:
        return keyfob("doctor", *options)

    return run
