"""`GET /admin/statistics`: what the records have, from tallies and from what came since."""

import asyncio
from typing import Any

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.core.problems import Unavailable
from keyfob.statistics.service import Statistics

Body = dict[str, Any]


@pytest.fixture
def statistics(world: World) -> Statistics:
    """The service, without answers that are used again."""
    service = world.service(Statistics)
    service.reuse = 0
    return service


async def read(world: World, caller: SignedIn, **query: str) -> Body:
    answer = await world.api.get("/admin/statistics", params=query, headers=caller.headers)
    assert answer.status_code == 200, answer.text
    body: Body = answer.json()
    return body


def happened(body: Body) -> list[tuple[str, Body, int]]:
    """Return the periods in which something happened."""
    return [
        (period["since"], period["reasons"], period["registrations"])
        for period in body["periods"]
        if period["reasons"] or period["registrations"]
    ]


async def history(world: World, clock: MovableClock) -> SignedIn:
    """Sign in and fail over some days; the clock ends at 2026-11-25T02:40Z."""
    admin = await world.make_admin()  # at 12:00 on the 22nd
    await world.make_user("ada@example.com")
    clock.advance(hours=11, minutes=30)
    await world.attempt_login("ada@example.com", "a wrong one")
    clock.advance(hours=1)
    for _ in range(2):
        await world.log_in()
    clock.advance(days=2, hours=2, minutes=10)
    await world.attempt_login("nobody@example.com", "a wrong one")
    return admin


EXPECTED_IN_UTC = [
    ("2026-11-22T00:00:00Z", {"password": 1, "wrong_password": 1}, 2),
    ("2026-11-23T00:00:00Z", {"password": 2}, 0),
    ("2026-11-25T00:00:00Z", {"unknown_email": 1}, 0),
]


@pytest.mark.parametrize("tallied", [True, False], ids=["tallied", "not yet"])
async def test_days_are_counted_from_tallies_and_from_what_came_since(
    world: World, statistics: Statistics, clock: MovableClock, tallied: bool
) -> None:
    await history(world, clock)
    admin = await world.log_in("root@example.com")
    expected = [
        *EXPECTED_IN_UTC[:2],
        (EXPECTED_IN_UTC[2][0], {"unknown_email": 1, "password": 1}, 0),
    ]
    if tallied:
        await statistics.count()
        await statistics.count()

    body = await read(world, admin)

    assert happened(body) == (expected if tallied else expected[2:])
    assert len(body["periods"]) == 31
    last = body["periods"][-1]
    assert (last["succeeded"], last["refused"], last["ended"]) == (1, 1, 0)
    if tallied:
        assert (body["devices"], body["browsers"]) == ({"bot": 4}, {})


async def test_days_are_those_of_the_readers_zone(
    world: World, statistics: Statistics, clock: MovableClock
) -> None:
    await history(world, clock)
    admin = await world.log_in("root@example.com")
    await statistics.count()

    west = happened(await read(world, admin, zone="America/Los_Angeles"))
    east = happened(await read(world, admin, zone="Asia/Kathmandu"))

    assert west == [
        ("2026-11-22T08:00:00Z", {"password": 3, "wrong_password": 1}, 2),
        ("2026-11-24T08:00:00Z", {"unknown_email": 1, "password": 1}, 0),
    ]
    assert east == [
        ("2026-11-21T18:15:00Z", {"password": 1}, 2),
        ("2026-11-22T18:15:00Z", {"password": 2, "wrong_password": 1}, 0),
        ("2026-11-24T18:15:00Z", {"unknown_email": 1, "password": 1}, 0),
    ]


async def test_hours_and_ranges(world: World, statistics: Statistics, clock: MovableClock) -> None:
    await history(world, clock)
    admin = await world.log_in("root@example.com")
    await statistics.count()
    query = {"since": "2026-11-22T23:00:00Z", "until": "2026-11-23T01:00:00Z", "by": "hour"}

    body = await read(world, admin, **query)

    assert happened(body) == [
        ("2026-11-22T23:00:00Z", {"wrong_password": 1}, 0),
        ("2026-11-23T00:00:00Z", {"password": 2}, 0),
    ]
    assert [period["until"] for period in body["periods"]] == [
        "2026-11-23T00:00:00Z",
        "2026-11-23T01:00:00Z",
    ]


async def test_nothing_is_counted_twice_by_several_workers(
    world: World, statistics: Statistics, clock: MovableClock
) -> None:
    await history(world, clock)
    await asyncio.gather(*(statistics.count() for _ in range(4)))
    clock.advance(hours=1)
    await world.log_in("root@example.com")
    for _ in range(2):
        await statistics.count()
        clock.advance(minutes=15)

    admin = await world.log_in("root@example.com")
    days = happened(await read(world, admin))

    assert days[:2] == EXPECTED_IN_UTC[:2]
    assert days[2][1] == {"unknown_email": 1, "password": 2}


async def test_samples_tell_how_things_were_at_the_end_of_a_period(
    world: World, statistics: Statistics, clock: MovableClock
) -> None:
    admin = await world.make_admin()
    await world.make_user("ada@example.com")
    await world.db.execute(
        "UPDATE user_activity SET last_active_at = $1 WHERE user_id IN"
        " (SELECT id FROM users WHERE email = 'ada@example.com')",
        clock.now(),
    )
    clock.advance(hours=2)
    await statistics.count()
    clock.advance(minutes=1)

    last, running = (await read(world, await world.log_in("root@example.com"), by="hour"))[
        "periods"
    ][-2:]

    names = ("active", "accounts", "with_factor", "with_passkey", "live_sessions")
    assert last["until"] == "2026-11-22T14:00:00Z"
    assert [last[name] for name in names] == [0, 2, 0, 0, 1]
    assert [running[name] for name in names] == [None] * 5
    assert admin


async def test_the_present_figures(
    world: World, statistics: Statistics, clock: MovableClock
) -> None:
    admin = await world.make_admin()
    await world.make_admin("second@example.com")
    user = await world.make_user("ada@example.com")
    await world.api.patch(f"/admin/users/{user}", json={"status": "blocked"}, headers=admin.headers)
    await world.db.execute(
        "INSERT INTO factors (id, user_id, type, name, created_at, confirmed_at, credential_id,"
        " public_key) SELECT gen_random_uuid(), id, 'passkey', 'Phone', $1, $1, 'a', 'b'"
        " FROM users WHERE email = 'second@example.com'",
        clock.now(),
    )

    present = (await read(world, admin))["present"]

    assert present == {
        "accounts": 3,
        "by_status": {"active": 2, "blocked": 1},
        "by_role": {"user": 1, "moderator": 0, "admin": 2},
        "active_day": 0,
        "active_month": 0,
        "with_factor": 1,
        "with_passkey": 1,
        "live_sessions": 2,
        "admins_without_factor": 1,
    }


async def test_with_very_many_accounts_the_present_figures_are_those_of_the_last_sample(
    world: World, statistics: Statistics, clock: MovableClock
) -> None:
    await world.make_admin()
    statistics.most_counted = 1
    await statistics.count()
    clock.advance(minutes=3)
    await world.make_user("ada@example.com")
    await world.log_in()

    present = await statistics.present()
    clock.advance(minutes=31)
    later = await statistics.present()

    assert (present.as_of.minute, present.live_sessions, present.accounts_of()) == (0, 1, 2)
    assert (later.as_of.minute, later.live_sessions, later.accounts_of()) == (34, 2, 2)


@pytest.mark.parametrize(
    "query",
    [
        {"by": "minute"},
        {"zone": "Mars/Olympus"},
        {"zone": "../../etc/passwd"},
        {"zone": "America"},
        {"zone": "Europe/Berlin\n"},
        {"zone": "x" * 65},
        {"since": "2026-11-22"},
        {"since": "2020-01-01T00:00:00Z"},
        {"until": "0001-01-01T00:00:00Z"},
        {"until": "9999-12-31T23:59:59Z"},
        {"since": "2026-11-23T00:00:00Z", "until": "2026-11-22T00:00:00Z"},
        {"by": "hour", "since": "2026-11-10T00:00:00Z"},
    ],
)
async def test_what_cannot_be_meant_is_refused(
    world: World, admin: SignedIn, query: dict[str, str]
) -> None:
    answer = await world.api.get("/admin/statistics", params=query, headers=admin.headers)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].removeprefix("/query/") in query


async def test_an_answer_is_used_again_and_the_same_question_is_asked_once(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    service = world.service(Statistics)
    service.reuse = 1e9
    first, *others = await asyncio.gather(*(service.present() for _ in range(5)))
    await world.make_user("ada@example.com")
    clock.advance(1)

    assert all(other is first for other in others)
    assert await service.present() is first
    assert admin


async def test_whoever_waits_too_long_a_queue_is_refused(world: World, admin: SignedIn) -> None:
    service = world.service(Statistics)
    service.most_waiting = 2

    answers = await asyncio.gather(*(service.present() for _ in range(4)), return_exceptions=True)

    assert sum(isinstance(answer, Unavailable) for answer in answers) == 2
    assert await service.present()
    assert admin


async def test_old_tallies_go(world: World, statistics: Statistics, clock: MovableClock) -> None:
    await history(world, clock)
    await statistics.count()
    clock.advance(days=401)
    await statistics.delete_old()

    assert await world.db.fetchval("SELECT count(*) FROM tallies") == 0
    await statistics.count()
    assert await world.db.fetchval("SELECT count(*) FROM tallies WHERE series = 'counted'") > 0


async def test_figures_are_for_whoever_reads_the_login_log(world: World) -> None:
    await world.make_user("ada@example.com", PASSWORD)
    signed_in = await world.log_in()

    answer = await world.api.get("/admin/statistics", headers=signed_in.headers)

    assert answer.status_code == 403


@pytest.mark.parametrize("tallied", [True, False], ids=["tallied", "not yet"])
async def test_a_name_that_a_client_makes_up_is_no_browser_of_its_own(
    world: World, statistics: Statistics, clock: MovableClock, tallied: bool
) -> None:
    admin = await world.make_admin()
    for name in ("Invented", "Made up", "Thought of"):
        headers = {"user-agent": f"{name}/1.0 CFNetwork/1 Darwin/20"}
        answer = await world.api.post(
            "/login", json={"email": "root@example.com", "password": PASSWORD}, headers=headers
        )
        assert answer.status_code == 200, answer.text
    written = {row["browser"] for row in await world.login_log()}
    assert written >= {"Invented 1", "Made up 1", "Thought of 1"}
    clock.advance(minutes=50)
    if tallied:
        await statistics.count()
        labels = await world.db.fetch("SELECT label FROM tallies WHERE series = 'browser'")
        assert [row[0] for row in labels] == ["Other"]
    admin = await world.log_in("root@example.com")

    assert (await read(world, admin))["browsers"] == {"Other": 3}


async def test_names_that_an_older_release_has_counted_are_read_as_one(
    world: World, statistics: Statistics, clock: MovableClock
) -> None:
    admin = await world.make_admin()
    await world.db.execute(
        """
        INSERT INTO tallies (series, at, label, amount)
        SELECT 'browser', $1, label, 2
          FROM unnest($2::text[] || ARRAY['Firefox']) AS label
        """,
        clock.now().replace(minute=0, second=0, microsecond=0),
        [f"Invented {number}" for number in range(500)],
    )

    assert (await read(world, admin))["browsers"] == {"Other": 1000, "Firefox": 2}
