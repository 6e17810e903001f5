"""Administrators who change each other and themselves at once wait in one order: none for ever."""

import asyncio
from itertools import permutations
from typing import Any
from uuid import UUID

import httpx
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.core.authority import Role
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
