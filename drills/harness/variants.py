"""Instances that differ: of another release, or with another clock; and the other commands."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.harness.cluster import free_port
from bench.harness.servers import KEYFOB, Server, environment_of, run

from drills.harness.instances import SETTINGS
from keyfob.migrations.head import HEAD

# The same for all, for what one signs another believes; else the port would be in it.
SHARED: dict[str, object] = {**SETTINGS, "ISSUER": "http://keyfob.test/auth"}

ALEMBIC = [sys.executable, "-m", "alembic"]
_SOURCE = Path("src/keyfob")


@asynccontextmanager
async def variant(
    dsn: str,
    settings: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Server]:
    """Run `keyfob serve` with variables beside its settings, while the event loop goes on."""
    port = free_port()
    told = {
        **environment_of(dsn, **{**SHARED, **(settings or {}), "PORT": port}),
        **(environment or {}),
    }
    serving = run([*KEYFOB, "serve"], port, "/health/ready", told)
    server = await asyncio.to_thread(serving.__enter__)
    try:
        yield server
    finally:
        await asyncio.to_thread(serving.__exit__, None, None, None)


async def command(dsn: str, *arguments: str, **settings: object) -> Any:
    """Run another command of `keyfob` with `--json`; return what it says, whatever its exit code.

    Raises:
        RuntimeError: it says nothing that can be read; with its complaint.
    """
    told = environment_of(dsn, **{**SHARED, **settings})
    done = await started(told, *KEYFOB, *arguments, "--json")
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()}") from None


async def started(
    environment: Mapping[str, str], *words: str, folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end while the event loop goes on."""
    return await asyncio.to_thread(
        subprocess.run,
        words,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": "src", **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def next_release(folder: Path, *migrations: Path) -> tuple[Path, str]:
    """Copy this release and put migrations after its newest.

    Args:
        folder: where the copy goes.
        migrations: files with `upgrade` and `downgrade`, in their order; numbers are given here.

    Returns:
        The folder with the copy's `alembic.ini`, and its head.
    """
    copy = folder / "next release"
    shutil.copytree(_SOURCE, copy / _SOURCE, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy("alembic.ini", copy)
    before = HEAD
    for number, migration in enumerate(migrations, int(HEAD) + 1):
        text = f"{migration.read_text()}\n\nrevision, down_revision = '{number:04}', '{before}'\n"
        before = f"{number:04}"
        name = f"{before}_{migration.name}"
        (copy / _SOURCE / "migrations" / "versions" / name).write_text(text)
    return copy, before


# Where Debian's packages put it: the one for programs with threads.
_LIBRARIES = "*/faketime/libfaketimeMT.so.1"


class FakeTime:
    """A wall clock of its own for one process and its children, by libfaketime.

    The steady clock stays true: an operator who sets a clock does not move that either.
    """

    # Seconds. It would slow the process down to read the file whenever it asks for the time.
    _READS_EVERY = 1

    def __init__(self, folder: Path, start: int) -> None:
        self._file = folder / "clock"
        self.set(start)

    @staticmethod
    def library() -> Path | None:
        """Return where libfaketime is; None where it is not installed."""
        return next(Path("/usr/lib").glob(_LIBRARIES), None)

    def set(self, seconds: int) -> None:
        """Set the clock to so many seconds from the true time, for who reads the file next."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n")
        draft.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(self._READS_EVERY),
            "FAKETIME_DONT_RESET": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
