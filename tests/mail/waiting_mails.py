"""The mails that wait in the outbox."""

from typing import Any

from tests.fixtures.waiting import until
from tests.fixtures.world import World
from tests.outbox.jobs import list_rows

from keyfob.outbox.running import LEASE
from keyfob.outbox.service import Outbox


async def rows(world: World) -> list[dict[str, Any]]:
    return await list_rows(world.service(Outbox))


async def tried(world: World, times: int = 1) -> dict[str, Any]:
    """Wait until the one mail was tried so often, and put back or buried."""

    async def so_often() -> bool:
        (row,) = await rows(world)
        now = world.service(Outbox).clock.now()
        settled = row["last_error"] is not None and row["due_at"] != now + LEASE
        return bool(row["attempts"] == times and (settled or row["failed_at"]))

    world.wiring.runner.wake()
    await until(so_often)
    (row,) = await rows(world)
    return row
