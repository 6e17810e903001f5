import asyncio

import pytest
import redis
from pydantic import SecretStr, ValidationError

from keyfob.core.database import Database
from keyfob.core.problems import DatabaseUnavailable, Unavailable
from keyfob.limits.redis_store import RedisStore
from keyfob.limits.room import build_limits, build_limits_over
from keyfob.settings import LimitSettings, WrongSetting


def with_store(url):
    return LimitSettings(limit_store=SecretStr(url))


async def test_without_postgresql_every_limit_answers_503(clock, closed_port):
    db = Database(f"postgresql://keyfob@127.0.0.1:{closed_port}/keyfob")
    await db.open()
    limits = build_limits(LimitSettings(), db, clock)

    with pytest.raises(DatabaseUnavailable):
        await limits.rates.hit("login", "203.0.113.7")
    with pytest.raises(DatabaseUnavailable):
        await limits.sign_in.reserve("ada@example.com", "203.0.113.7")
    await db.close()


async def test_without_redis_every_limit_fails_closed(clock, closed_port):
    limits = build_limits(with_store(f"redis://127.0.0.1:{closed_port}"), None, clock)

    with pytest.raises(Unavailable):
        await limits.rates.hit("login", "203.0.113.7")
    with pytest.raises(Unavailable):
        await limits.sign_in.reserve("ada@example.com", "203.0.113.7")
    await limits.close()


async def test_a_redis_that_never_answers_is_given_up(clock):
    async def swallow(reader, writer):
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    store = RedisStore(f"redis://127.0.0.1:{port}", clock, timeout=0.05)
    limits = build_limits_over(store, LimitSettings(), clock)

    with pytest.raises(Unavailable):
        await limits.rates.hit("login", "203.0.113.7")
    await store.close()
    silent.close()
    await silent.wait_closed()


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_redis_and_valkey_are_named_by_url_and_forget_by_themselves(redis_url, clock, scheme):
    limits = build_limits(with_store(redis_url.replace("redis", scheme, 1)), None, clock)

    state = await limits.rates.hit("login", "203.0.113.7")

    assert state.headers["RateLimit"] == '"login-60";r=59;t=60, "login-3600";r=1199;t=3600'
    assert await limits.store.delete_expired(100) == 0
    with redis.Redis.from_url(redis_url) as client:
        left = sorted(map(client.ttl, client.scan_iter()))
    assert [0 < left[0] <= 60, 60 < left[1] <= 3600, len(left)] == [True, True, 2]
    await limits.close()


@pytest.mark.parametrize(
    "url",
    ["http://:secret@host", "redis://:secret@host:port", "secret", "redis://host?secret=secret"],
)
def test_a_wrong_url_is_refused_by_name_and_not_repeated(clock, url):
    """By the settings if possible, otherwise when connecting."""
    with pytest.raises((ValidationError, WrongSetting), match=r"(?i)limit_store") as refusal:
        build_limits(with_store(url), None, clock)

    assert "secret" not in str(refusal.value)
