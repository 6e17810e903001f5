"""The audit log, as administrators read it."""

from typing import Any
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import CLIENT, PASSWORD, SignedIn, World

Event = dict[str, Any]


async def read(world: World, caller: SignedIn, **query: Any) -> list[Event]:
    """Return the events, page by page."""
    found: list[Event] = []
    answer = await world.api.get("/admin/audit", params=query, headers=caller.headers)
    while True:
        assert answer.status_code == 200, answer.text
        found += answer.json()
        if "next" not in answer.links:
            return found
        assert len(answer.json()) == query.get("limit", 100)
        answer = await world.api.get(answer.links["next"]["url"], headers=caller.headers)


@pytest.fixture
async def told(world: World, admin: SignedIn, clock: MovableClock) -> list[Event]:
    """The story of one account, newest first: made, changed in everything, signed out, removed."""
    made = await world.api.post(
        "/admin/users",
        json={"email": "Ada@Example.com", "password": PASSWORD, "name": "Ada"},
        headers=admin.headers,
    )
    path = f"/admin/users/{made.json()['id']}"
    for body in (
        {"role": "moderator", "status": "blocked"},
        {"name": "Countess", "email": "countess@example.org"},
        {"name": None, "status": "active"},
    ):
        clock.advance(10)
        await world.api.patch(path, json=body, headers=admin.headers)
    clock.advance(10)
    await world.api.delete(f"{path}/logout-all", headers=admin.headers)
    await world.api.delete(path, headers=admin.headers)
    return await read(world, admin)


async def test_each_event_has_actor_target_old_and_new_values(
    world: World, admin: SignedIn, told: list[Event]
) -> None:
    root = (await world.me(admin)).json()["id"]
    ada = told[0]["target_id"]

    assert [(event["action"], event["old_values"], event["new_values"]) for event in told] == [
        ("user.deleted", {"role": "moderator", "status": "active"}, {}),
        ("user.logged_out", {}, {"sessions": 0}),
        (
            "user.changed",
            {"status": "blocked", "name": "(not kept)"},
            {"status": "active", "name": "(not kept)"},
        ),
        (
            "user.changed",
            {"email": "A***@Example.com", "name": "(not kept)"},
            {"email": "c***@example.org", "name": "(not kept)"},
        ),
        (
            "user.changed",
            {"role": "user", "status": "active"},
            {"role": "moderator", "status": "blocked"},
        ),
        ("user.created", {}, {"role": "user", "status": "active", "email": "a***@example.com"}),
        ("user.created", {}, {"role": "admin", "status": "active", "email": "r***@example.com"}),
    ]
    assert [event["position"] for event in told] == [7, 6, 5, 4, 3, 2, 1]
    assert {(e["actor_id"], e["target_id"], e["ip_address"]) for e in told[:-1]} == {
        (root, ada, CLIENT)
    }
    # The first was made past the API: by the service itself, from nowhere.
    assert (told[-1]["actor_id"], told[-1]["target_id"], told[-1]["ip_address"]) == (
        None,
        root,
        None,
    )
    assert told[0]["at"] == "2026-11-22T12:00:40Z"


async def test_nothing_personal_and_nothing_secret_is_told(
    world: World, admin: SignedIn, told: list[Event]
) -> None:
    assert told
    text = (await world.api.get("/admin/audit", headers=admin.headers)).text
    stored = str([dict(row) for row in await world.audit_log()])

    for planted in ("ada@", "Ada@", "countess@", "Countess", PASSWORD, "mac"):
        assert planted not in text
    for planted in ("ada@", "Ada@", "countess@", "Countess", PASSWORD):
        assert planted not in stored


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
async def test_pages_follow_each_other(
    world: World, admin: SignedIn, told: list[Event], limit: int
) -> None:
    assert await read(world, admin, limit=limit) == told


async def test_filters_hold_together_over_all_pages(
    world: World, admin: SignedIn, told: list[Event]
) -> None:
    root, ada = told[0]["actor_id"], told[0]["target_id"]
    moment = "2026-11-22T12:00:20Z"

    async def positions(**query: Any) -> list[int]:
        return [event["position"] for event in await read(world, admin, limit=1, **query)]

    assert await positions(action="user.changed") == [5, 4, 3]
    assert await positions(action="user.chang") == []
    assert await positions(target_id=ada) == [7, 6, 5, 4, 3, 2]
    assert await positions(target_id=root) == [1]
    assert await positions(actor_id=root) == [7, 6, 5, 4, 3, 2]
    assert await positions(actor_id=ada) == []
    assert await positions(user_id=ada) == [7, 6, 5, 4, 3, 2]
    assert await positions(user_id=root) == [7, 6, 5, 4, 3, 2, 1]
    assert await positions(user_id=root, action="user.created", until=moment) == [2, 1]
    assert await positions(ip_address=CLIENT) == [7, 6, 5, 4, 3, 2]
    assert await positions(ip_address="203.0.113.0/24", user_id=root, since=moment) == [7, 6, 5, 4]
    assert await positions(ip_address="198.51.100.0/24") == []
    assert await positions(since=moment) == [7, 6, 5, 4]
    assert await positions(until=moment) == [3, 2, 1]
    assert await positions(
        action="user.changed",
        actor_id=root,
        target_id=ada,
        since=moment,
        until="2026-11-22T12:00:30Z",
    ) == [4]


async def test_each_event_names_its_parties_as_long_as_they_are_there(
    world: World, admin: SignedIn
) -> None:
    ada = await world.make_user("ada@example.com", name="Ada")
    client = await world.api.post(
        "/admin/clients",
        json={"name": "a batch"},
        headers=admin.headers,
    )
    await world.api.patch(f"/admin/users/{ada}", json={"role": "moderator"}, headers=admin.headers)
    root = {"kind": "user", "email": "root@example.com", "name": None}

    changed, registered, made, first = await read(world, admin)

    assert (changed["actor"], changed["target"]) == (
        root,
        {"kind": "user", "email": "ada@example.com", "name": "Ada"},
    )
    assert registered["target_id"] == client.json()["id"]
    assert (registered["actor"], registered["target"]) == (
        root,
        {"kind": "client", "email": None, "name": "a batch"},
    )
    assert (made["actor"], first["actor"]) == (None, None)
    await world.api.delete(f"/admin/users/{ada}", headers=admin.headers)
    assert (await read(world, admin, user_id=str(ada)))[0]["target"] is None


@pytest.mark.parametrize(
    "query",
    [
        *({"actor_id": "1"}, {"target_id": "x"}, {"action": "x" * 65}, {"user_id": "1"}),
        *({"ip_address": "10.0.0.1/8"}, {"ip_address": "fe80::1%eth0"}),
    ],
)
async def test_a_filter_that_cannot_be_meant_is_refused(
    world: World, admin: SignedIn, query: dict[str, str]
) -> None:
    answer = await world.api.get("/admin/audit", params=query, headers=admin.headers)

    assert answer.status_code == 422


async def test_a_registration_and_a_reuse_are_told_too(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    answer = await world.api.post(
        "/register", json={"email": "ada@example.com", "password": PASSWORD}
    )
    signed_in = SignedIn.of(answer)
    ada = (await world.me(signed_in)).json()["id"]
    await world.refresh(signed_in.refresh)
    clock.advance(11)
    assert (await world.refresh(signed_in.refresh)).status_code == 401

    reuse, registration, _ = await read(world, admin)

    assert (registration["action"], registration["actor_id"], registration["target_id"]) == (
        "user.registered",
        ada,
        ada,
    )
    assert registration["ip_address"] == CLIENT
    assert (reuse["action"], reuse["actor_id"], reuse["target_id"], reuse["new_values"]) == (
        "session.reuse_detected",
        None,
        ada,
        {"session_id": signed_in.session_id},
    )


async def test_what_was_refused_is_no_event(world: World, admin: SignedIn) -> None:
    ada = await world.make_user()
    before = await read(world, admin)
    path = f"/admin/users/{UUID(str(ada))}"

    for body in ({"role": "root"}, {"email": "root@example.com"}, {}):
        await world.api.patch(path, json=body, headers=admin.headers)
    await world.api.patch(path, json={"role": "admin"})
    await world.api.patch(path, json={"role": "admin"}, headers=(await world.log_in()).headers)

    assert await read(world, admin) == before
