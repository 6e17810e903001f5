import asyncio

import pytest

from keyfob.core.problems import TooManyRequests
from keyfob.limits.room import build_limits
from keyfob.limits.store import PostgresStore
from keyfob.settings import LimitSettings

CLIENT = "203.0.113.7"


async def passes(limits, client=CLIENT, route="login"):
    try:
        await limits.rates.hit(route, client)
    except TooManyRequests:
        return False
    return True


async def test_fifty_at_once_on_two_instances_pass_exactly_as_often_as_allowed(build):
    one, two = build(limit_login="20/minute;30/hour")

    answers = await asyncio.gather(*(passes(limits) for limits in [one, two] * 25))

    assert answers.count(True) == 20


async def test_a_refused_request_takes_nothing_from_the_longer_window(build, clock):
    one, two = build(limit_login="5/minute;12/hour")

    bursts = []
    for _ in range(4):
        answers = await asyncio.gather(*(passes(limits) for limits in [one, two] * 10))
        bursts.append(answers.count(True))
        clock.advance(60)

    assert bursts == [5, 5, 2, 0]


async def test_a_window_ends_where_it_began_plus_its_length_however_often_it_was_hit(build, clock):
    limits, _ = build(limit_login="2/minute")
    assert [await passes(limits) for _ in range(3)] == [True, True, False]

    clock.advance(59)
    assert not await passes(limits)

    clock.advance(1)
    assert [await passes(limits) for _ in range(3)] == [True, True, False]


async def test_every_client_and_every_route_has_its_own_count(build):
    limits, _ = build(limit_login="1/minute", limit_register="1/minute")
    assert await passes(limits)

    assert await passes(limits, client="203.0.113.8")
    assert await passes(limits, route="register")
    assert not await passes(limits)


async def test_addresses_of_one_network_share_a_count(build):
    limits, _ = build(limit_login="2/minute")
    assert await passes(limits, client="2001:db8:1:2::1")
    assert await passes(limits, client="2001:0DB8:1:2:ffff::1")

    assert not await passes(limits, client="2001:db8:1:2::2")
    assert await passes(limits, client="2001:db8:1:3::1")


async def test_networks_around_a_network_have_a_few_clients_worth(build):
    limits, _ = build(limit_login="2/minute;30/hour")
    home = [f"2001:db8:1:2{n:02x}::1" for n in range(10)]
    assert [await passes(limits, client=one) for one in home] == [True] * 8 + [False] * 2
    for n in range(3, 6):  # other homes of that site, one request each from many networks
        assert all([await passes(limits, client=f"2001:db8:1:{n}{m:02x}::1") for m in range(8)])

    assert not await passes(limits, client="2001:db8:1:600::1")  # the site has had 32
    state = await limits.rates.hit("login", "2001:db8:2:600::1")
    assert state.headers["RateLimit"].startswith('"login-60";r=1;')
    with pytest.raises(TooManyRequests) as refused:
        await limits.rates.hit("login", home[0])
    assert refused.value.headers["RateLimit-Policy"].startswith('"login-60";q=8;w=60, ')


async def test_counts_survive_a_restart(db, other_db, clock):
    settings = LimitSettings(limit_login="1/minute")
    assert await passes(build_limits(settings, db, clock))
    await db.close()

    assert not await passes(build_limits(settings, other_db, clock))


async def test_a_success_tells_where_the_client_stands(build, clock):
    limits, _ = build(limit_login="60/minute")
    await limits.rates.hit("login", CLIENT)
    clock.advance(20.5)

    state = await limits.rates.hit("login", CLIENT)

    assert state.headers == {
        "RateLimit-Policy": '"login";q=60;w=60',
        "RateLimit": '"login";r=58;t=40',
    }


async def test_a_refusal_tells_when_to_come_back(build, clock):
    limits, _ = build(limit_register="1/minute;2/hour")
    await limits.rates.hit("register", CLIENT)
    clock.advance(10)

    with pytest.raises(TooManyRequests) as minute:
        await limits.rates.hit("register", CLIENT)
    clock.advance(60)
    await limits.rates.hit("register", CLIENT)
    with pytest.raises(TooManyRequests) as hour:
        await limits.rates.hit("register", CLIENT)

    assert minute.value.headers == {
        "Retry-After": "50",
        "RateLimit-Policy": '"register-60";q=1;w=60, "register-3600";q=2;w=3600',
        "RateLimit": '"register-60";r=0;t=50, "register-3600";r=1;t=3590',
    }
    assert hour.value.headers["Retry-After"] == "3530"


async def test_a_limit_that_is_named_twice_counts_once(build):
    limits, _ = build(limit_me="2/minute;2/minute")

    assert [await passes(limits, route="me") for _ in range(3)] == [True, True, False]


async def test_switched_off_nothing_is_counted_and_nothing_is_asked(clock):
    limits = build_limits(LimitSettings(limits="off", limit_refresh="1/minute"), None, clock)

    for _ in range(3):
        state = await limits.rates.hit("login", CLIENT)
        reservation = await limits.sign_in.reserve("ada@example.com", CLIENT)
        await limits.sign_in.withdraw(reservation)
        await limits.sign_in.forgive(reservation)
        limits.refresh.hit("session")

    assert state.headers == {}


async def test_the_table_holds_no_personal_data_and_is_cleaned_in_batches(db, clock):
    limits = build_limits(LimitSettings(limit_login="5/minute"), db, clock)
    for host in range(5):
        await limits.rates.hit("login", f"203.0.113.{host}")
    await limits.sign_in.reserve("ada@example.com", CLIENT)

    kept = " ".join(str(dict(row)) for row in await db.fetch("SELECT * FROM attempts"))
    assert "203.0.113" not in kept
    assert "ada" not in kept

    assert await limits.store.delete_expired(100) == 0
    clock.advance(60)
    assert [await limits.store.delete_expired(4) for _ in range(3)] == [4, 3, 0]
    assert await db.fetchval("SELECT count(*) FROM attempts") == 4  # hours and days still run


async def test_a_flood_of_refusals_writes_nothing(db, clock):
    limits = build_limits(LimitSettings(limit_login="1/minute"), db, clock)
    await passes(limits)
    version = "SELECT xmin::text, ctid::text, xmax::text FROM attempts"
    before = await db.fetch(version)

    assert not any([await passes(limits) for _ in range(20)])

    assert await db.fetch(version) == before


async def test_the_store_is_postgresql_unless_named(db, clock):
    limits = build_limits(LimitSettings(), db, clock)

    assert limits.store == PostgresStore(db, clock)
    await limits.close()
    assert await db.fetchval("SELECT 1") == 1
