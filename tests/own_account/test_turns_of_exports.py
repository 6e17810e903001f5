"""Exports take turns: nobody holds up those of others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

from tests.fixtures.world import World, eventually

from keyfob.authority.models import Authenticator, User
from keyfob.core.database import Database, Tx
from keyfob.devices.source import Source
from keyfob.own_account.export import OwnExport


@dataclass
class Slow:
    """A database whose snapshots begin when a test says so; it notes the tasks that have one."""

    db: Database
    begun: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def begin(self, *, snapshot: bool = False) -> AsyncIterator[Tx]:
        if snapshot and (task := asyncio.current_task()):
            self.begun.append(task.get_name())
            await self.go.wait()
        async with self.db.begin(snapshot=snapshot) as tx:
            yield tx


async def caller_of(world: World, email: str) -> User:
    await world.make_user(email)
    session = await world.log_in(email)
    subject = world.wiring.services[Authenticator].authenticate(session.access)
    assert isinstance(subject, User)
    return subject


async def test_one_network_leaves_a_place_to_the_others(world: World) -> None:
    """Threat: whoever exports again and again from one address keeps all others waiting."""
    slow = Slow(world.db)
    exports = replace(world.service(OwnExport), db=cast("Database", slow))
    callers = [await caller_of(world, f"{name}@example.com") for name in ("eve", "mallory", "ada")]

    tasks = [
        asyncio.create_task(exports.gather(caller, Source(address, "")), name=address)
        for caller, address in zip(
            callers, ("203.0.113.5", "203.0.113.5", "198.51.100.7"), strict=True
        )
    ]
    await eventually(lambda: len(slow.begun) == 2)
    begun = list(slow.begun)
    slow.go.set()
    packed = await asyncio.gather(*tasks)

    assert sorted(begun) == ["198.51.100.7", "203.0.113.5"]
    assert all(one.size for one in packed)
