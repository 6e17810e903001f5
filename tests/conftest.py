"""Fixtures for all tests: a real PostgreSQL, a clock to move, and the service over HTTP."""

import gc
import os
import shutil
import signal
import socket
import tempfile
from asyncio import AbstractEventLoop, new_event_loop
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import partial
from pathlib import Path

import httpx
import hypothesis
import pytest
import segno
import structlog
import uvloop
from coverage import Coverage
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.kept_sessions import sessions_kept
from tests.fixtures.mailbox import Mailbox, bound_socket, serving
from tests.fixtures.postgres import (
    create_database,
    create_empty_database,
    empty_tables,
    types_asked_once,
)
from tests.fixtures.versions import any_dsn, postgres_15
from tests.fixtures.world import World
from xdist.workermanage import WorkerController

from keyfob.core.database import Database
from keyfob.devdb.server import EmbeddedPostgres
from keyfob.passwords.hashing import usable_cores
from keyfob.settings import Settings

__all__ = ["any_dsn", "postgres_15"]

# The same examples each time: a check that fails by chance stops people who changed nothing. To
# search further: HYPOTHESIS_PROFILE=explore.
hypothesis.settings.register_profile("steady", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_configure() -> None:
    """Set what holds for all tests: signals, and the log as a failed test shows it."""
    _restore_signals()
    _show_plain_tracebacks()


def _show_plain_tracebacks() -> None:
    # Else by Rich, if it is there, with local variables: of a page's environment of templates,
    # that takes minutes of the event loop.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], console])


def _restore_signals() -> None:
    """Restore signals that are ignored at the start, as for a shell job in the background.

    Processes that a test starts would inherit this.
    """
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, 0)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], AbstractEventLoop]]:
    """Give fast tests the loop that serves, which takes a sixth less of the processor's time.

    The others wait for processes of their own and for browsers, and would gain nothing.
    """
    is_fast = not any(item.get_closest_marker(mark) for mark in ("slow", "browser"))
    return {"loop": uvloop.new_event_loop if is_fast else new_event_loop}


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of processes for `-n logical`: while some wait, others run."""
    return usable_cores() * 3 // 2


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file without a wanted mark: most have none, and each process imports all."""
    wanted = {"slow": {"slow"}, "browser": {"browser"}, "slow or browser": {"slow", "browser"}}
    marks = wanted.get(config.getoption("markexpr"))
    if marks is None or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    return None if any(f"mark.{mark}" in text for mark in marks) else True


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without collecting garbage, and do so rarely afterwards, without what stays.

    Imported and collected objects stay to the end: scanning them repeatedly took a quarter of the
    time of collecting tests, and a sixth of a run's.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000)


_SERVER = pytest.StashKey[EmbeddedPostgres]()


def _server_in(folder: Path) -> EmbeddedPostgres:
    options = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    # Its owner cannot drop a database in which autovacuum is working.
    return EmbeddedPostgres(folder / "pg", options | {"autovacuum": "off"})


def pytest_configure_node(node: WorkerController) -> None:
    """Give all processes of a run one server; it is a child of this process, which ends last."""
    config = node.config
    if _SERVER not in config.stash:
        folder = Path(tempfile.mkdtemp(prefix="tests-"))
        config.add_cleanup(partial(shutil.rmtree, folder))
        config.stash[_SERVER] = _server_in(folder)
        config.add_cleanup(config.stash[_SERVER].stop)
    node.workerinput["postgres"] = config.stash[_SERVER].start()


_IS_MEASURED = pytest.StashKey[bool]()
_MEASURED_CASES = 3


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Choose the tests whose coverage is measured, which makes them take half as long again.

    Attacks come on top of the rooms' own tests, and the further cases of a test run the same code.
    """
    cases: Counter[str] = Counter()
    for item in items:
        test = item.nodeid.partition("[")[0]
        cases[test] += 1
        is_attack = test.startswith("tests/abuse/")
        item.stash[_IS_MEASURED] = not is_attack and cases[test] <= _MEASURED_CASES


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Pause the measuring of coverage, if there is any, during the other tests."""
    paused: list[Coverage] = []
    # A process that a measured one started has several, one below the other.
    while not item.stash[_IS_MEASURED] and (measuring := Coverage.current()):
        measuring.stop()
        paused.append(measuring)
    try:
        return (yield)
    finally:
        for measuring in reversed(paused):
            measuring.start()


@pytest.fixture(scope="session")
def postgres(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """One embedded PostgreSQL for all processes of a test run; yields the DSN of the server."""
    shared = getattr(request.config, "workerinput", {}).get("postgres")
    if shared is not None:
        yield shared
        return
    server = _server_in(tmp_path_factory.getbasetemp())
    yield server.start()
    server.stop()


@pytest.fixture(scope="session", autouse=True)
def quick_connections() -> Iterator[None]:
    """Spare each connection queries whose answers never change."""
    with types_asked_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_qr_codes() -> Iterator[None]:
    """Draw each QR code with the same mask: the one that is best to scan takes four times as long.

    What is drawn reads the same.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segno, "make", partial(segno.make, mask=4))
        yield


@pytest.fixture(scope="session")
def dsn(postgres: str, worker_id: str) -> Iterator[str]:
    """A migrated database for this test process only, whose sessions are used again and again."""
    dsn = create_database(postgres, f"tests_{worker_id}")
    with sessions_kept(dsn):
        yield dsn


@pytest.fixture
def unmigrated_dsn(postgres: str, worker_id: str) -> str:
    """A database without tables."""
    return create_empty_database(postgres, f"unmigrated_{worker_id}")


@pytest.fixture
def migrated_dsn(postgres: str, worker_id: str) -> str:
    """A database of the test's own at the head: a copy, a tenth of the time of migrating."""
    return create_database(postgres, f"own_{worker_id}")


@pytest.fixture
def clock() -> MovableClock:
    """A clock that stands still until it is moved."""
    return MovableClock()


@pytest.fixture
async def empty_dsn(dsn: str) -> str:
    """The database with empty tables."""
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
    """A mail server, to which the settings of this test point (tests/fixtures/mailbox.py)."""
    box = Mailbox()
    async with serving(box, smtp_socket) as box.port:
        yield box


@pytest.fixture
def smtp_url(request: pytest.FixtureRequest) -> str | None:
    """The URL of the mail server, for a test that uses `mailbox`."""
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
        activity_flush_seconds=60,  # no flush happens in the middle of a test on a busy machine
    )


@pytest.fixture
def settings(
    plain_settings: Settings, empty_dsn: str, tmp_path: Path, smtp_url: str | None
) -> Settings:
    """The plain settings, with an empty database and a folder of the test's own."""
    given = {"data_dir": tmp_path, "smtp_url": smtp_url and SecretStr(smtp_url)}
    return plain_settings.model_copy(update=given)


@pytest.fixture
async def world(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """The running service, with helpers for tests."""
    async with World(settings, clock) as world:
        yield world


@pytest.fixture
def api(world: World) -> httpx.AsyncClient:
    """An HTTP client of the running service."""
    return world.api
