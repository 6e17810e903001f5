"""Undoing one change to many users changes back only what is as it was left."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.admin.test_bulk import Report, bulk, column, make, report_of
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import SignedIn, World

from keyfob.accounts.models import Status
from keyfob.authority.models import Role
from keyfob.core.secrets import new_id


async def undo(world: World, caller: SignedIn, event_ids: list[str]) -> httpx.Response:
    return await world.api.post(
        "/admin/users/bulk/undo", json={"event_ids": event_ids}, headers=caller.headers
    )


async def done(world: World, caller: SignedIn, **body: Any) -> list[str]:
    """Make a change and return the events of its report."""
    report = report_of(await bulk(world, caller, **body))
    return [line["event_id"] for line in report if "event_id" in line]


def codes(report: Report) -> list[str | None]:
    return [line.get("code") for line in report[:-1]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "block"}, "status"),
        ({"action": "unblock"}, "status"),
        ({"action": "set-role", "role": "moderator"}, "role"),
    ],
    ids=str,
)
async def test_what_was_is_again(world: World, body: dict[str, str], field: str) -> None:
    admin = await world.make_admin()
    status = Status.BLOCKED if body["action"] == "unblock" else Status.ACTIVE
    ids = await make(world, "ada", "bob", status=status)
    before = await column(world, field, ids)
    events = await done(world, admin, ids=ids, **body)
    assert await column(world, field, ids) != before

    report = report_of(await undo(world, admin, events))

    assert [(line["id"], line["undoes"]) for line in report[:-1]] == list(
        zip(ids, events, strict=True)
    )
    assert report[-1] == {"done": 2, "refused": 0, "left": 0}
    assert await column(world, field, ids) == before
    again = report_of(await undo(world, admin, [line["event_id"] for line in report[:-1]]))
    assert again[-1]["done"] == 2  # undone is a change like any other
    assert codes(report_of(await undo(world, admin, events))) == ["not_as_left"] * 2


async def test_roles_that_differed_differ_again(world: World) -> None:
    admin = await world.make_admin()
    ids = await make(world, "ada") + await make(world, "bob", role=Role.MODERATOR)
    events = await done(world, admin, action="set-role", role="admin", ids=ids)

    await undo(world, admin, events)

    assert await column(world, "role", ids) == ["user", "moderator"]


async def test_what_somebody_changed_since_stays_though_it_looks_the_same(world: World) -> None:
    admin = await world.make_admin()
    eve = await world.make_admin("eve@example.com")
    ids = await make(world, "ada", "bob", "cat", "dan")
    events = await done(world, admin, action="block", ids=ids)
    for user_id, statuses in ((ids[0], ["active"]), (ids[1], ["active", "blocked"])):
        for status in statuses:
            await world.api.patch(
                f"/admin/users/{user_id}", json={"status": status}, headers=eve.headers
            )
    # A name is another matter.
    await world.api.patch(f"/admin/users/{ids[2]}", json={"name": "Cat"}, headers=eve.headers)
    await world.api.delete(f"/admin/users/{ids[3]}", headers=eve.headers)

    report = report_of(await undo(world, admin, events))

    assert codes(report) == ["not_as_left", "not_as_left", None, "user_not_found"]
    assert await column(world, "status", ids) == ["active", "blocked", "active", None]


async def test_only_one_s_own_changes_of_a_moment_ago_are_undone(
    world: World, clock: MovableClock
) -> None:
    admin = await world.make_admin()
    eve = await world.make_admin("eve@example.com")
    ids = await make(world, "ada")
    events = await done(world, admin, action="block", ids=ids)
    unknown = str(new_id(clock.now()))
    (created, *_) = [str(one["id"]) for one in await world.audit_log()]

    of_others = report_of(await undo(world, eve, [*events, unknown, created]))
    clock.advance(600)
    admin = await world.log_in("root@example.com")
    late = report_of(await undo(world, admin, events))

    assert codes(of_others) == ["not_as_left"] * 3
    assert not any("id" in line for line in of_others[:-1])
    assert codes(late) == ["not_as_left"]
    assert await column(world, "status", ids) == ["blocked"]


async def test_a_change_by_itself_can_be_undone_as_well(world: World) -> None:
    admin = await world.make_admin()
    (ada,) = await make(world, "ada")
    await world.api.patch(f"/admin/users/{ada}", json={"status": "blocked"}, headers=admin.headers)
    event = (await world.audit_log())[-1]["id"]

    assert codes(report_of(await undo(world, admin, [str(event)]))) == [None]
    assert await column(world, "status", [ada]) == ["active"]


async def test_two_undo_at_once_and_one_does(world: World) -> None:
    admin = await world.make_admin()
    (ada,) = await make(world, "ada")
    (event,) = await done(world, admin, action="block", ids=[ada])

    report = report_of(await undo(world, admin, [event, event]))

    assert report[-1] == {"done": 1, "refused": 0, "left": 0}
    assert UUID(report[0]["event_id"])
