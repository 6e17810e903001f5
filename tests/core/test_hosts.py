"""A URL of several hosts: the one that takes writes is found, whatever the others do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
from drills.harness.proxy import Fault, Proxy
from tests.fixtures.certificates import Certificate, make_certificate
from tests.fixtures.world import eventually

from keyfob.boot import migrate, schema_is_current
from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.hosts import CannotConnect, connect, one_host_each
from keyfob.core.problems import DatabaseUnavailable
from keyfob.settings import Settings

NOBODY = "127.0.0.1:1"
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'one of two'"


@asynccontextmanager
async def silent_host() -> AsyncIterator[str]:
    """A machine that takes connections and says nothing, as one that froze does."""
    taken: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(
        lambda _, its: taken.append(its), "127.0.0.1", 0
    ) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for connection in taken:
            connection.close()


@pytest.fixture
async def proxy(dsn: str) -> AsyncIterator[Proxy]:
    """The test server over TCP."""
    async with Proxy(dsn).running() as proxy:
        yield proxy


def of_hosts(dsn: str, *hosts: str, wanted: str = "read-write") -> str:
    """Write the hosts before and behind the one of `dsn`, which is named `*` among them."""
    start, _, rest = dsn.partition("@")
    own, _, name = rest.partition("/")
    named = ",".join(own if host == "*" else host for host in hosts)
    return f"{start}@{named}/{name}?target_session_attrs={wanted}&sslmode=disable"


def test_each_host_gets_a_url_of_its_own() -> None:
    user = "u%40v@"

    assert one_host_each(f"postgresql://{user}a:1,[::1]:2,c/name?x=y") == [
        f"postgresql://{user}a:1/name?x=y",
        f"postgresql://{user}[::1]:2/name?x=y",
        f"postgresql://{user}c/name?x=y",
    ]
    assert one_host_each("postgresql:///name?host=/run") == ["postgresql:///name?host=/run"]


async def test_a_host_that_says_nothing_does_not_hold_up_the_next(proxy: Proxy) -> None:
    async with silent_host() as silent:
        url = of_hosts(proxy.dsn, silent, NOBODY, "*")
        connection = await connect(url, timeout=2)
        assert await connection.fetchval("SELECT 1") == 1
        connection.terminate()

        database = Database(url, acquire_timeout=2)
        await database.open()
        assert await database.fetchval("SELECT 1") == 1
        await database.close()

        feed = Feed(url, timeout=2)
        await feed.start()
        assert feed.is_live
        await feed.stop()


@pytest.mark.slow
async def test_a_migration_is_not_held_up_either(unmigrated_dsn: str) -> None:
    proxy = Proxy(unmigrated_dsn)
    async with proxy.running(), silent_host() as silent:
        url = of_hosts(proxy.dsn, silent, "*")
        settings = Settings(_env_file=None, database_url=url)  # type: ignore[call-arg] # pydantic-settings' own parameter
        async with asyncio.timeout(50):  # asyncpg's own patience with one host is a minute
            await asyncio.to_thread(migrate, settings)
        assert await schema_is_current(settings)


async def test_a_standby_is_passed_over(proxy: Proxy, dsn: str) -> None:
    admin = await asyncpg.connect(dsn)
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
            await connect(of_hosts(proxy.dsn, "*", "*"), timeout=2)
        database = Database(of_hosts(proxy.dsn, "*", NOBODY), acquire_timeout=2)
        await database.open()
        with pytest.raises(DatabaseUnavailable):
            await database.fetchval("SELECT 1")
        await database.close()
    finally:
        await admin.execute("SET default_transaction_read_only = off")
        await admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await admin.close()


async def test_who_comes_second_leaves_no_connection_behind(proxy: Proxy, dsn: str) -> None:
    admin = await asyncpg.connect(dsn)
    named = {"server_settings": {"application_name": "one of two"}}
    await proxy.begin(Fault.HELD)
    connecting = asyncio.create_task(connect(of_hosts(proxy.dsn, "*", "*"), timeout=5, **named))
    await asyncio.sleep(0.4)  # both have been asked
    await proxy.end()
    connection = await connecting

    async with asyncio.timeout(5):
        while await admin.fetchval(COUNT) != 1:  # noqa: ASYNC110 - of the server there is no event
            await asyncio.sleep(0.02)
    assert await connection.fetchval("SELECT 1") == 1
    connection.terminate()
    await admin.close()


async def test_whoever_gives_up_leaves_no_attempt_behind() -> None:
    async with silent_host() as one, silent_host() as two:
        url = f"postgresql://keyfob@{one},{two}/keyfob?sslmode=disable"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connect(url, timeout=5), 0.4)
        await eventually(lambda: not any("_connect" in str(task) for task in asyncio.all_tasks()))


def test_the_setting_takes_several_hosts() -> None:
    url = "postgresql://keyfob@one:5432,two:5433/keyfob?target_session_attrs=read-write"

    assert Settings(_env_file=None, database_url=url).dsn == url  # type: ignore[call-arg] # pydantic-settings' own parameter


async def test_the_roots_of_the_system_can_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    for folder in (ours, other):
        folder.mkdir()
        make_certificate(folder)
    certificate = Certificate(ours / "certificate.pem", ours / "key.pem")
    async with database_with_tls(certificate) as port:
        url = f"postgresql://keyfob@localhost:{port}/keyfob?sslmode=verify-full&sslrootcert=system"
        monkeypatch.setenv("SSL_CERT_FILE", str(ours / "certificate.pem"))
        with pytest.raises(asyncpg.InvalidCatalogNameError, match="as the test wants"):
            await connect(url, timeout=5)

        monkeypatch.setenv("SSL_CERT_FILE", str(other / "certificate.pem"))
        with pytest.raises(CannotConnect, match="certificate does not verify: self-signed"):
            await connect(url, timeout=5)


@asynccontextmanager
async def database_with_tls(certificate: Certificate) -> AsyncIterator[int]:
    """Serve as a PostgreSQL that starts TLS and then knows no database; yields the port."""
    said = b"SFATAL\0VFATAL\0C3D000\0Mas the test wants\0\0"
    error = b"E" + (len(said) + 4).to_bytes(4, "big") + said

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readexactly(8)  # SSLRequest
            writer.write(b"S")
            await writer.start_tls(certificate.server_side)
            await reader.readexactly(4)
            writer.write(error)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
