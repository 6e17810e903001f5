"""Liveness, readiness, and who may see details."""

import ipaddress

import pytest
from tests.fixtures.asgi import call_raw
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.problems import DatabaseUnavailable
from keyfob.health.service import Health
from keyfob.migrations.head import HEAD
from keyfob.settings import Settings

ALL_WELL = {
    "database": True,
    "migrations": True,
    "writes": True,
    "revocation_feed": True,
    "staying": True,
}


async def test_a_live_process_says_so_to_anybody(world: World) -> None:
    answer = await world.api.get("/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_strangers_learn_nothing_but_readiness(world: World) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"X-Forwarded-For": "127.0.0.1"}):
        answer = await world.api.get("/health/ready", headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"status": "ready", "checks": None})


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.9.9.9"])
async def test_loopback_learns_the_parts(world: World, address: str) -> None:
    answer = await world.client(address).get("/health/ready")

    assert answer.json() == {"status": "ready", "checks": ALL_WELL}


async def test_who_comes_through_a_proxy_on_this_machine_is_a_stranger(
    settings: Settings, clock: MovableClock
) -> None:
    trusting = settings.model_copy(
        update={"trusted_proxies": [ipaddress.ip_network("127.0.0.0/8")]}
    )
    async with World(trusting, clock) as world:
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Proto", "Via"):
            for forwarded in ("203.0.113.9", "127.0.0.1", "", "nonsense"):
                answer = await world.client("127.0.0.1").get(
                    "/health/ready", headers={header: forwarded}
                )
                assert answer.json()["checks"] is None, (header, forwarded)


async def test_an_administrator_learns_the_parts_and_a_user_does_not(world: World) -> None:
    await world.make_user()
    admin, user = await world.make_admin(), await world.log_in()

    seen = [
        (await world.api.get("/health/ready", headers=caller.headers)).json()["checks"]
        for caller in (admin, user)
    ]

    assert seen == [ALL_WELL, None]


async def test_a_cut_feed_makes_unready(world: World) -> None:
    await world.wiring.feed.stop()
    world.wiring.feed.is_live = False

    answer = await world.client("127.0.0.1").get("/health/ready")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {
        "status": "not_ready",
        "checks": {**ALL_WELL, "revocation_feed": False},
    }


@pytest.mark.parametrize(
    ("version", "keeps", "well"),
    [
        ("0001", None, False),
        (HEAD, None, True),
        ("9999", HEAD, True),
        ("9999", "9999", False),
        ("9999", None, False),
        ("none", None, False),
        (None, None, False),
    ],
)
async def test_a_schema_behind_makes_unready_and_one_ahead_that_keeps_us_does_not(
    db: Database, version: str | None, keeps: str | None, well: bool
) -> None:
    feed = Feed("postgresql://nobody@localhost/none", timeout=1)
    feed.is_live = True
    await db.execute("UPDATE alembic_version SET version_num = coalesce($1, 'none')", version)
    await db.execute("INSERT INTO schema_revisions SELECT '9999', $1 WHERE $1 <> ''", keeps)
    if version is None:
        await db.execute("ALTER TABLE alembic_version RENAME TO elsewhere")
    try:
        found = await Health(db, feed, {}).check()
        assert found == {"database": True, "migrations": well, "revocation_feed": True}
    finally:
        if version is None:
            await db.execute("ALTER TABLE elsewhere RENAME TO alembic_version")
        await db.execute("DELETE FROM schema_revisions WHERE revision = '9999'")
        await db.execute("UPDATE alembic_version SET version_num = $1", HEAD)


async def test_a_database_that_does_not_answer_makes_unready(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Feed("postgresql://nobody@localhost/none", timeout=1)

    async def away(_: Database) -> None:
        raise DatabaseUnavailable

    async def late(_: Database) -> None:
        raise TimeoutError

    for fault in (away, late):
        monkeypatch.setattr("keyfob.core.queries.find_schema_version", fault)
        found = await Health(db, feed, {}).check()
        assert found == {"database": False, "migrations": False, "revocation_feed": False}


async def test_a_worker_that_is_about_to_stop_is_not_ready(world: World) -> None:
    for state, status in (({}, 200), ({"leaving": True}, 503)):
        answer = await call_raw(world, "GET", "/health/ready", client="127.0.0.1", state=state)
        assert answer.status == status
        assert answer.json() == {
            "status": "ready" if status == 200 else "not_ready",
            "checks": {**ALL_WELL, "staying": status == 200},
        }
        other = await call_raw(world, "GET", "/health/live", state=state)
        assert other.status == 200
