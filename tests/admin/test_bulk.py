"""One change to many users: the choice, the report, and its bounds."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.people import Person
from tests.fixtures.programs import give_role
from tests.fixtures.world import SignedIn, World

from keyfob.accounts.models import Status
from keyfob.administration.bulk import Bulk
from keyfob.administration.models import Consequences
from keyfob.authority.models import Role
from keyfob.authority.roles import Roles
from keyfob.core.secrets import new_id

Report = list[dict[str, Any]]


async def bulk(world: World, caller: SignedIn, **body: Any) -> httpx.Response:
    return await world.api.post("/admin/users/bulk", json=body, headers=caller.headers)


def report_of(answer: httpx.Response) -> Report:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def make(world: World, *names: str, **more: Any) -> list[str]:
    return [str(await world.make_user(f"{name}@example.com", **more)) for name in names]


async def make_clerk(world: World, *permissions: str) -> tuple[SignedIn, str]:
    """Sign in a user whose further role has these permissions, and return the id, too."""
    await world.make_user("clerk@example.com")
    user_id = await give_role(world, await world.log_in("clerk@example.com"), *permissions)
    return await world.log_in("clerk@example.com"), str(user_id)


async def column(world: World, name: str, ids: list[str]) -> list[Any]:
    return [
        await world.db.fetchval(f"SELECT {name} FROM users WHERE id = $1", UUID(one)) for one in ids
    ]


async def test_a_report_has_a_line_for_each_user_and_an_ending(world: World) -> None:
    admin = await world.make_admin()
    ada, bob = await make(world, "ada", "bob")
    nobody = str(new_id(START))

    answer = await bulk(world, admin, action="block", ids=[ada, nobody, bob, ada])

    assert answer.headers["content-type"] == "application/x-ndjson"
    first, second, third, ending = report_of(answer)
    events = [str(one["id"]) for one in await world.audit_log() if one["action"] == "user.changed"]
    assert first == {"id": ada, "outcome": "done", "event_id": events[0]}
    assert second == {
        "id": nobody,
        "outcome": "refused",
        "code": "user_not_found",
        "title": "User not found",
    }
    assert third == {"id": bob, "outcome": "done", "event_id": events[1]}
    assert ending == {"done": 2, "refused": 1, "left": 0}
    assert await column(world, "status", [ada, bob]) == ["blocked", "blocked"]


@pytest.mark.parametrize(
    ("action", "more", "recorded"),
    [
        ("block", {}, "user.changed"),
        ("unblock", {}, "user.changed"),
        ("set-role", {"role": "moderator"}, "user.changed"),
        ("sign-out", {}, "user.logged_out"),
        ("invite", {}, "user.invited"),
        ("delete", {}, "user.deleted"),
    ],
)
async def test_every_action_is_that_of_one_user_at_a_time(
    world: World, action: str, more: dict[str, str], recorded: str
) -> None:
    admin = await world.make_admin()
    status = Status.BLOCKED if action == "unblock" else Status.ACTIVE
    ids = await make(world, "ada", "bob", status=status)
    before = len(await world.audit_log())

    report = report_of(await bulk(world, admin, action=action, ids=ids, **more))

    assert [line.get("outcome") for line in report] == ["done", "done", None]
    assert ["event_id" in line for line in report[:2]] == [recorded == "user.changed"] * 2
    events = (await world.audit_log())[before:]
    assert [(one["action"], str(one["target_id"])) for one in events] == [
        (recorded, one) for one in ids
    ]


async def test_what_is_so_already_is_done_and_leaves_nothing_to_undo(world: World) -> None:
    admin = await world.make_admin()
    ids = await make(world, "ada", status=Status.BLOCKED)
    before = len(await world.audit_log())

    line, ending = report_of(await bulk(world, admin, action="block", ids=ids))

    assert line == {"id": ids[0], "outcome": "done"}
    assert ending == {"done": 1, "refused": 0, "left": 0}
    assert len(await world.audit_log()) == before


async def test_nobody_changes_the_own_account_or_anybody_above(world: World) -> None:
    await world.make_admin()
    mod, own = await make_clerk(world, "users:read", "users:write")
    above = await world.db.fetchval("SELECT id::text FROM users WHERE role = 'admin'")
    (ada,) = await make(world, "ada")

    report = report_of(await bulk(world, mod, action="block", ids=[own, above, ada]))

    assert [line.get("code") for line in report] == ["own_account", "forbidden", None, None]
    assert await column(world, "status", [own, above, ada]) == ["active", "active", "blocked"]


async def test_nobody_gives_a_role_or_ends_sessions_beyond_the_own_rights(world: World) -> None:
    mod, _ = await make_clerk(world, "users:read", "users:write")
    ids = await make(world, "ada")
    for body in ({"action": "set-role", "role": "admin"}, {"action": "sign-out"}):
        answer = await bulk(world, mod, ids=ids, **body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert await column(world, "role", ids) == ["user"]


async def test_who_cannot_list_users_learns_nothing_by_their_number(world: World) -> None:
    clerk, _ = await make_clerk(world, "users:write")

    answer = await bulk(world, clerk, action="block", filters={}, count=2)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_the_last_admin_stays(world: World) -> None:
    await world.make_user("root@example.com", role=Role.ADMIN)
    (other,) = await make(world, "other", role=Role.ADMIN)
    admin = await world.log_in("root@example.com")

    report = report_of(await bulk(world, admin, action="delete", ids=[other]))

    assert report[-1] == {"done": 1, "refused": 0, "left": 0}
    assert await world.db.fetchval("SELECT count(*) FROM users WHERE role = 'admin'") == 1


class TestFilters:
    async def test_all_that_match_are_changed_if_they_are_as_many_as_were_seen(
        self, world: World, admin: SignedIn, people: list[Person]
    ) -> None:
        wanted = {"role": "moderator", "status": "active", "search": "person"}
        told = await world.api.get("/admin/users", params=wanted, headers=admin.headers)
        count = int(told.headers["x-total-count"])

        report = report_of(await bulk(world, admin, action="block", filters=wanted, count=count))

        assert report[-1] == {"done": count, "refused": 0, "left": 0}
        expected = {
            str(one["id"])
            for one in people
            if one["role"] == "moderator" and one["status"] == "active"
        }
        assert {line["id"] for line in report[:-1]} == expected

    async def test_another_number_than_was_seen_is_refused_and_told(
        self, world: World, admin: SignedIn, people: list[Person]
    ) -> None:
        assert people
        answer = await bulk(world, admin, action="block", filters={"role": "moderator"}, count=49)

        assert answer.status_code == 409
        assert (answer.json()["code"], answer.json()["count"]) == ("count_differs", 50)
        assert await world.db.fetchval(
            "SELECT count(*) FROM users WHERE role = 'moderator' AND status = 'blocked'"
        ) == len([1 for one in people if one["role"] == "moderator" and one["status"] == "blocked"])


async def test_what_would_end_is_known_before(world: World) -> None:
    ids = await make(world, "ada", "bob") + await make(world, "mod", role=Role.MODERATOR)
    ada = await world.log_in()
    await world.log_in("mod@example.com")
    gone = await world.log_in("bob@example.com")
    await world.api.delete("/logout", headers=gone.headers)
    key = {"name": "Backup", "scope": ["account:read"]}
    (await world.api.post("/me/api-keys", json=key, headers=ada.headers)).raise_for_status()
    wanted = [UUID(one) for one in ids]

    assert await world.service(Bulk).weigh(wanted) == Consequences(3, 1, 2, 1)
    assert await world.service(Bulk).weigh(wanted[1:2]) == Consequences(1, 0, 0, 0)


async def test_who_has_a_further_role_has_more_than_a_user(
    world: World, clock: MovableClock
) -> None:
    ids = [UUID(one) for one in await make(world, "ada", "bob")]
    roles = world.service(Roles)
    async with world.db.begin() as tx:
        await roles.add(tx, "clerk", [])
        for user_id, days in zip(ids, (1, 2), strict=True):
            ends = clock.now() + timedelta(days=days)
            await roles.give(tx, user_id, "clerk", given_by=None, expires_at=ends)

    assert (await world.service(Bulk).weigh(ids)).above_user == 2
    clock.advance(days=1)
    assert (await world.service(Bulk).weigh(ids)).above_user == 1
