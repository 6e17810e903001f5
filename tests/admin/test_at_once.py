"""Administrators who change each other and themselves at once take locks in one order."""

import asyncio
from itertools import permutations
from typing import Any
from uuid import UUID

import httpx
from tests.fixtures.clock import MovableClock
from tests.fixtures.waiting import until_so_many_wait
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.audit.service import Audit
from keyfob.authority.models import Role
from keyfob.settings import Settings

OTHERS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("PATCH", "", {"name": "Changed"}),
    ("PUT", "", {"role": "admin", "status": "active"}),
    ("POST", "/invite", None),
    ("POST", "/recover", None),
]
OWN: list[tuple[str, str, dict[str, Any] | None]] = [
    ("PATCH", "/me", {"name": "Myself"}),
    ("DELETE", "/me", None),
    ("POST", "/me/keep", None),
    ("POST", "/me/email", {"email": "elsewhere@example.com"}),
    ("POST", "/me/factors/totp", {"name": "Phone"}),
    ("POST", "/me/factors/passkeys/options", None),
]


async def test_of_many_changes_crosswise_none_is_given_up(
    settings: Settings, clock: MovableClock
) -> None:
    """PostgreSQL ends a deadlock after a second, and that would answer 503."""
    async with World(settings, clock) as one, World(settings, clock) as two:
        emails = [f"root{number}@example.com" for number in range(4)]
        ids = [await one.make_user(email, role=Role.ADMIN) for email in emails]
        callers = [await one.log_in(email) for email in emails]

        async def send(
            world: World, caller: SignedIn, method: str, path: str, body: dict[str, Any] | None
        ) -> httpx.Response:
            return await world.api.request(method, path, json=body, headers=caller.headers)

        def crosswise(actor: int, target: UUID) -> list[Any]:
            world = (one, two)[actor % 2]
            about = [
                send(world, callers[actor], method, f"/admin/users/{target}{path}", body)
                for method, path, body in OTHERS
            ]
            return [*about, *(send(world, callers[actor], *call) for call in OWN)]

        for actor, target in permutations(range(4), 2):
            answers = await asyncio.gather(
                *crosswise(actor, ids[target]), *crosswise(target, ids[actor])
            )
            assert {answer.status_code for answer in answers} <= {200, 201, 202, 204, 409}

        new = {"current_password": PASSWORD, "password": PASSWORD}
        last = await asyncio.gather(
            *(send(one, caller, "POST", "/me/password", new) for caller in callers),
            *(send(two, caller, "DELETE", "/logout-all", None) for caller in callers),
            *(
                send(
                    two, callers[number - 1], "POST", f"/admin/users/{user_id}/factors/reset", None
                )
                for number, user_id in enumerate(ids)
            ),
        )
        assert {answer.status_code for answer in last} <= {200, 204, 401}


async def test_who_is_promoted_meanwhile_and_comes_first_in_any_order_holds_nobody_up(
    world: World, clock: MovableClock
) -> None:
    """The set of administrators must not change in the middle of a transaction."""
    oldest = await world.make_user("oldest@example.com")
    clock.advance(1)  # ids begin with the time
    roots = [await world.make_admin(f"root{number}@example.com") for number in range(3)]
    others = [await world.make_user(f"{name}@example.com") for name in ("eve", "bob")]

    def patch(actor: SignedIn, target: UUID, body: dict[str, str]) -> asyncio.Task[httpx.Response]:
        path = f"/admin/users/{target}"
        return asyncio.create_task(world.api.patch(path, json=body, headers=actor.headers))

    async with world.db.begin() as session:
        await session.execute(
            "SELECT FROM sessions WHERE id = $1 FOR UPDATE", UUID(roots[1].session_id)
        )
        async with world.db.begin() as chain:
            # Whoever appends to the audit log is held up here, its last step.
            await world.service(Audit).record(
                chain, action="user.logged_out", actor_id=None, target_id=oldest
            )
            promotion = patch(roots[0], oldest, {"role": "admin"})
            await until_so_many_wait(world.db, 1)
            first = patch(roots[1], others[0], {"name": "Eve"})
            await until_so_many_wait(world.db, 2)
        assert (await promotion).status_code == 200
        await until_so_many_wait(world.db, 1)  # `first`, for its session
        second = patch(roots[2], others[1], {"name": "Bob"})
        await until_so_many_wait(world.db, 2)

    assert [(await one).status_code for one in (first, second)] == [200, 200]
