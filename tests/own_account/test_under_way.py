"""Work in progress while an account is deleted leaves no personal data behind."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
import pytest
from tests.fixtures.waiting import until, until_somebody_waits
from tests.fixtures.world import SignedIn, World

from keyfob.audit.queries import lock_chain

_WAITING = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
GUESS = "a wrong horse, and no battery"


async def guess(world: World, ada: SignedIn) -> httpx.Response:
    del ada
    return await world.attempt_login(password=GUESS, by="203.0.113.7")


async def reauthenticate(world: World, ada: SignedIn) -> httpx.Response:
    body = {"password": GUESS}
    return await world.api.post("/me/reauthenticate", json=body, headers=ada.headers)


async def export(world: World, ada: SignedIn) -> httpx.Response:
    return await world.api.get("/me/export", headers=ada.headers)


@pytest.mark.parametrize("call", [guess, reauthenticate, export])
async def test_nothing_is_written_of_a_person_once_the_account_is_removed(
    world: World,
    ada: SignedIn,
    ada_id: UUID,
    call: Callable[[World, SignedIn], Awaitable[httpx.Response]],
) -> None:
    admin = await world.make_admin()

    async with world.db.begin() as tx:
        await lock_chain(tx)  # the last that a removal asks for: all is blanked by then
        path = f"/admin/users/{ada_id}"
        removal = asyncio.ensure_future(world.api.delete(path, headers=admin.headers))
        await until_somebody_waits(world.db)
        calling = asyncio.ensure_future(call(world, ada))

        async def is_settled() -> bool:
            return calling.done() or await world.db.fetchval(_WAITING) > 1

        await until(is_settled)
    answer, removed = await asyncio.gather(calling, removal)

    assert removed.status_code == 204
    assert answer.status_code == 401
    lines = await world.db.fetch("SELECT reason FROM login_events WHERE user_id = $1", ada_id)
    assert lines == []
    events = await world.db.fetch(
        "SELECT action FROM audit_events WHERE actor_id = $1 AND ip_address IS NOT NULL", ada_id
    )
    assert events == []
