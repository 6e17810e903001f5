"""The login log, as administrators and the users themselves read it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.accounts.models import Status

ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Mobile Safari/537.36"
)
Entry = dict[str, Any]


async def attempt(
    world: World, email: str, password: str = PASSWORD, address: str = "203.0.113.7"
) -> None:
    await world.attempt_login(email, password, by=address)


async def read(
    world: World, caller: SignedIn, path: str = "/admin/logins", **query: Any
) -> list[Entry]:
    """Return the log, page by page."""
    found: list[Entry] = []
    answer = await world.api.get(path, params=query, headers=caller.headers)
    while True:
        assert answer.status_code == 200, answer.text
        found += answer.json()
        if "next" not in answer.links:
            return found
        assert len(answer.json()) == query.get("limit", 100)
        answer = await world.api.get(answer.links["next"]["url"], headers=caller.headers)


@pytest.fixture
async def ada(world: World) -> UUID:
    return await world.make_user("Ada@example.com")


async def test_an_entry_says_who_from_where_with_what_and_how_it_ended(
    world: World, admin: SignedIn, ada: UUID, clock: MovableClock
) -> None:
    clock.advance(1)
    phone = world.client("2001:db8::7", **{"user-agent": ANDROID})
    signed_in = await world.log_in(by=phone)

    entry, _ = await read(world, admin)

    assert {**entry, "id": None} == {
        "id": None,
        "at": "2026-11-22T12:00:01Z",
        "outcome": "succeeded",
        "reason": "password",
        "user_id": str(ada),
        "email": "Ada@example.com",
        "name": None,
        "ip_address": "2001:db8::7",
        "device_type": "mobile",
        "browser": "Chrome Mobile 126",
        "os": "Android 14",
        "platform": "Pixel 8",
        "session_id": signed_in.session_id,
    }


async def test_every_end_has_its_reason_and_an_address_without_account_is_masked(
    world: World, admin: SignedIn, ada: UUID, clock: MovableClock
) -> None:
    await world.make_user("blocked@example.com", status=Status.BLOCKED)
    for email, password in (
        ("typo.of.ada@example.com", PASSWORD),
        ("ada@example.com", "a wrong one"),
        ("blocked@example.com", PASSWORD),
    ):
        clock.advance(1)
        await attempt(world, email, password)
    clock.advance(1)
    await world.api.post("/register", json={"email": "new@example.com", "password": PASSWORD})

    entries = await read(world, admin)

    assert [(e["outcome"], e["reason"], e["email"], e["session_id"] is None) for e in entries] == [
        ("succeeded", "registered", "new@example.com", False),
        ("refused", "account_blocked", "blocked@example.com", True),
        ("refused", "wrong_password", "Ada@example.com", True),
        ("refused", "unknown_email", "t***@example.com", True),
        ("succeeded", "password", "root@example.com", False),
    ]
    stored = [row["email"] for row in await world.login_log()]
    assert stored == [None, "t***@example.com", None, None, None]


@pytest.fixture
async def history(world: World, admin: SignedIn, ada: UUID, clock: MovableClock) -> list[Entry]:
    """Thirty attempts of three addresses, five at each of six moments; newest first."""
    del admin, ada
    for moment in range(6):
        clock.advance(10)
        for number in range(5):
            await attempt(
                world,
                "ada@example.com",
                PASSWORD if number % 2 else "a wrong one",
                ("198.51.100.1", "198.51.100.2", "2001:db8:1::1")[(moment + number) % 3],
            )
    rows = await world.db.fetch("SELECT * FROM login_events ORDER BY at DESC, id DESC")
    return [
        {**dict(row), "id": str(row["id"]), "ip_address": str(row["ip_address"])} for row in rows
    ]


def after(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize("limit", [1, 4, 5, 100])
async def test_pages_follow_each_other_also_among_equal_moments(
    world: World, admin: SignedIn, history: list[Entry], limit: int
) -> None:
    found = await read(world, admin, limit=limit)

    assert [entry["id"] for entry in found] == [entry["id"] for entry in history]


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ({"outcome": "refused"}, lambda e: e["outcome"] == "refused"),
        ({"reason": "wrong_password"}, lambda e: e["reason"] == "wrong_password"),
        ({"reason": "wrong_password", "outcome": "succeeded"}, lambda _: False),
        ({"ip_address": "198.51.100.2"}, lambda e: e["ip_address"] == "198.51.100.2"),
        ({"ip_address": "198.51.100.0/24"}, lambda e: e["ip_address"].startswith("198.51.100.")),
        ({"ip_address": "2001:DB8:1:0::/64"}, lambda e: e["ip_address"] == "2001:db8:1::1"),
        ({"ip_address": "192.0.2.0/24"}, lambda _: False),
        (
            {"since": (START + timedelta(seconds=30)).isoformat()},
            lambda e: e["at"] >= START + timedelta(seconds=30),
        ),
        (
            {"until": (START + timedelta(seconds=30)).isoformat()},
            lambda e: e["at"] < START + timedelta(seconds=30),
        ),
        (
            {
                "since": "2026-11-22T13:00:20+01:00",
                "until": "2026-11-22T06:00:40-06:00",
                "outcome": "succeeded",
                "ip_address": "198.51.100.0/24",
            },
            lambda e: (
                START + timedelta(seconds=20) <= e["at"] < START + timedelta(seconds=40)
                and e["outcome"] == "succeeded"
                and e["ip_address"].startswith("198.51.100.")
            ),
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_filters_hold_together_over_all_pages(
    world: World, admin: SignedIn, history: list[Entry], ada: UUID, query: Entry, matches: Any
) -> None:
    wanted = [entry["id"] for entry in history if matches(entry)]

    found = await read(world, admin, limit=3, **query)

    assert [entry["id"] for entry in found] == wanted
    by_id = await read(world, admin, limit=3, user_id=str(ada), **query)
    assert [e["id"] for e in by_id] == [e["id"] for e in found if e["user_id"] == str(ada)]
    of_ada = await read(world, admin, f"/admin/users/{ada}/logins", limit=3, **query)
    assert [e["id"] for e in of_ada] == [e["id"] for e in found if e["user_id"] == str(ada)]


async def test_a_filter_that_cannot_be_meant_is_refused(world: World, admin: SignedIn) -> None:
    for query in [
        {"outcome": "perhaps"},
        {"reason": "perhaps"},
        {"ip_address": "nowhere"},
        {"ip_address": "10.0.0.1/8"},
        {"ip_address": "fe80::1%eth0"},
        {"since": "2026-11-22T12:00:00"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"until": "9999-12-31T23:59:59-14:00"},
        {"until": "yesterday"},
        {"limit": "0"},
        {"limit": "1001"},
    ]:
        for path in ("/admin/logins", "/admin/audit"):
            if path == "/admin/audit" and ({"outcome", "reason"} & set(query)):
                continue
            answer = await world.api.get(path, params=query, headers=admin.headers)
            assert answer.status_code == 422, path
            (name,) = query
            assert [error["pointer"] for error in answer.json()["errors"]] == [f"/query/{name}"]


async def test_users_read_their_own_history_and_no_other(
    world: World, admin: SignedIn, ada: UUID
) -> None:
    signed_in = await world.log_in()
    await attempt(world, "ada@example.com", "a wrong one", "198.51.100.9")
    await attempt(world, "root@example.com", "a wrong one")

    own = await read(world, signed_in, "/me/logins", limit=1)

    assert {entry["user_id"] for entry in own} == {str(ada)}
    assert {(entry["reason"], entry["ip_address"]) for entry in own} == {
        ("password", "203.0.113.7"),
        ("wrong_password", "198.51.100.9"),
    }


async def test_a_cursor_is_good_for_the_list_that_gave_it_alone(
    world: World, admin: SignedIn, ada: UUID
) -> None:
    signed_in = await world.log_in()
    await world.log_in()
    await world.log_in("root@example.com")
    lists = {
        "/admin/logins": admin,
        f"/admin/users/{ada}/logins": admin,
        "/me/logins": signed_in,
    }
    cursors = {}
    for path, caller in lists.items():
        answer = await world.api.get(path, params={"limit": 1}, headers=caller.headers)
        cursors[path] = answer.links["next"]["url"].rpartition("cursor=")[2]

    of_root = await world.api.get(
        "/me/logins", params={"cursor": cursors["/me/logins"]}, headers=admin.headers
    )
    assert of_root.status_code == 400
    for path, caller in lists.items():
        for giver, cursor in cursors.items():
            answer = await world.api.get(path, params={"cursor": cursor}, headers=caller.headers)
            assert answer.status_code == (200 if giver == path else 400), (path, giver)


async def test_after_erasure_the_log_tells_that_somebody_signed_in_and_not_who(
    world: World, admin: SignedIn, ada: UUID
) -> None:
    await world.log_in()
    await world.api.delete(f"/admin/users/{ada}", headers=admin.headers)

    entries = [e for e in await read(world, admin) if e["email"] != "root@example.com"]

    assert {(entry["outcome"], entry["reason"]) for entry in entries} == {
        ("succeeded", "password"),
        ("ended", "deleted"),
    }
    names = ("user_id", "email", "ip_address", "browser", "os", "platform", "session_id")
    assert {entry[name] for entry in entries for name in names} == {None}
    gone = await world.api.get(f"/admin/users/{ada}/logins", headers=admin.headers)
    assert gone.status_code == 404
