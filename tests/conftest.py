"""Fixtures for all tests: a real PostgreSQL, a clock to move, and the service over HTTP."""

import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import hypothesis
import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.mailbox import Mailbox, bound_socket, serving
from tests.fixtures.postgres import (
    create_database,
    create_empty_database,
    empty_tables,
    types_asked_once,
)
from tests.fixtures.versions import any_dsn, postgres_15
from tests.fixtures.world import World

from keyfob.core.database import Database
from keyfob.devdb.server import EmbeddedPostgres
from keyfob.passwords.hashing import usable_cores
from keyfob.settings import Settings

__all__ = ["any_dsn", "postgres_15"]

# The same examples each time: a gate that fails by chance stops those who changed nothing. To look
# further: HYPOTHESIS_PROFILE=explore.
hypothesis.settings.register_profile("steady", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_configure() -> None:
    """Hear the signals that who runs the tests had us ignore, as a shell in the background does.

    What a test starts keeps to what it inherits.
    """
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, 0)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n logical` means: while some wait for PostgreSQL, others run."""
    return usable_cores() * 3 // 2


def pytest_collection_finish() -> None:
    """Keep what was imported and collected out of every later garbage collection.

    It stays to the end, and walking it again and again took a sixth of a run's time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """One embedded PostgreSQL for all processes of a test run; gives the DSN of the server."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    options = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    # A database that it is at work in cannot be dropped by its owner.
    options |= {"autovacuum": "off"}
    server = EmbeddedPostgres(shared / "pg", options)
    yield server.start()
    server.stop()


@pytest.fixture(scope="session", autouse=True)
def quick_connections() -> Iterator[None]:
    """Spare each connection questions whose answers never change."""
    with types_asked_once():
        yield


@pytest.fixture(scope="session")
def dsn(postgres: str, worker_id: str) -> str:
    """A migrated database of this test process alone."""
    return create_database(postgres, f"tests_{worker_id}")


@pytest.fixture
def unmigrated_dsn(postgres: str, worker_id: str) -> str:
    """A database with no table in it yet."""
    return create_empty_database(postgres, f"unmigrated_{worker_id}")


@pytest.fixture
def clock() -> MovableClock:
    """A clock that stands still until it is moved."""
    return MovableClock()


@pytest.fixture
async def empty_dsn(dsn: str) -> str:
    """The database with nothing in its tables."""
    await empty_tables(dsn)
    return dsn


@pytest.fixture
async def db(empty_dsn: str) -> AsyncIterator[Database]:
    """A pool on an empty database."""
    database = Database(empty_dsn, pool_size=10)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def smtp_socket() -> Iterator[socket.socket]:
    """The port of the mail server, known before it listens."""
    with bound_socket() as bound:
        yield bound


@pytest.fixture
async def mailbox(smtp_socket: socket.socket) -> AsyncIterator[Mailbox]:
    """A mail server, at which the settings of this test point (tests/fixtures/mailbox.py)."""
    box = Mailbox()
    async with serving(box, smtp_socket) as box.port:
        yield box


@pytest.fixture
def smtp_url(request: pytest.FixtureRequest) -> str | None:
    """The folder for mails of a test that uses `mailbox`."""
    if "mailbox" not in request.fixturenames:
        return None
    return f"smtp://127.0.0.1:{request.getfixturevalue('smtp_socket').getsockname()[1]}"


@pytest.fixture(scope="session")
def plain_settings(dsn: str) -> Settings:
    """Complete settings for a test: cheap hashes, no limits."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg] # pydantic-settings' own parameter
        database_url=dsn,
        secret_key="a secret key that only the tests know",
        bcrypt_cost=4,
        limits="off",
        metrics=False,
        activity_flush_seconds=60,  # so none comes in the middle of a test on a busy machine
    )


@pytest.fixture
def settings(
    plain_settings: Settings, empty_dsn: str, tmp_path: Path, smtp_url: str | None
) -> Settings:
    """The plain settings, on an empty database, in a folder of the test's own."""
    given = {"data_dir": tmp_path, "smtp_url": smtp_url and SecretStr(smtp_url)}
    return plain_settings.model_copy(update=given)


@pytest.fixture
async def world(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """The running service, with what tests do to it."""
    async with World(settings, clock) as world:
        yield world


@pytest.fixture
def api(world: World) -> httpx.AsyncClient:
    """An HTTP client of the running service."""
    return world.api
