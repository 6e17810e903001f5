"""A slow server of one recipient delays only that recipient's mails.

Threat: whoever registers a dozen addresses at a server that takes its time has every mail of the
service wait, password recoveries among them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope, Session
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.mailbox import Mailbox, serving
from tests.fixtures.waiting import until
from tests.fixtures.world import World, eventually

from keyfob.mail.mails import FactorsReset
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.outbox.service import Outbox
from keyfob.settings import Settings

SLOW = "slow.example"


class Relay(Mailbox):
    """A mail server that passes each recipient's slowness on: at RCPT, or when it has the mail."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at
        self.let_go = asyncio.Event()
        self.held: list[str] = []

    async def _hold(self, at: str, address: str) -> None:
        if self.at == at and address.endswith(SLOW):
            self.held.append(address)
            await self.let_go.wait()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _: Any, __: Session, envelope: Envelope, address: str, ___: Any
    ) -> str:
        await self._hold("rcpt", address)
        envelope.rcpt_tos.append(address)
        return "250 well"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Session, envelope: Envelope
    ) -> str:
        await self._hold("data", envelope.rcpt_tos[0])
        return await super().handle_DATA(server, session, envelope)


@asynccontextmanager
async def relayed(
    settings: Settings, clock: MovableClock, at: str, seconds: float
) -> AsyncIterator[tuple[World, Relay]]:
    relay = Relay(at)
    async with serving(relay) as port:
        url = SecretStr(f"smtp://127.0.0.1:{port}")
        ours = settings.model_copy(update={"smtp_url": url, "smtp_timeout": seconds})
        world = World(ours, clock)
        world.wiring.runner.pace.prompt = 0.05  # what takes longer is set aside
        async with world:
            yield world, relay
            relay.let_go.set()  # so that the stop waits for nothing


async def write(world: World, *addresses: str) -> None:
    async with world.db.begin() as tx:
        for address in addresses:
            await world.service(Mail).send(tx, Recipient(address), FactorsReset())


def slow_ones(count: int) -> list[str]:
    return [f"person{number}@{SLOW}" for number in range(count)]


async def arrived(world: World, relay: Relay, count: int) -> set[str]:
    """Return the recipients so far, once there are so many or after a few seconds."""

    async def so_many() -> bool:
        world.wiring.runner.wake()
        return len(relay.mails) >= count

    with suppress(TimeoutError):
        await until(so_many, 15)
    return {mail.to for mail in relay.mails}


@pytest.mark.parametrize("at", ["rcpt", "data"])
async def test_twelve_slow_recipients_hold_up_nobody_else(
    settings: Settings, clock: MovableClock, at: str
) -> None:
    async with relayed(settings, clock, at, seconds=20.0) as (world, relay):
        await write(world, *slow_ones(12))
        await eventually(lambda: len(relay.held) >= 8)
        others = [f"person{number}@example.com" for number in range(20)]
        await write(world, *others)

        assert await arrived(world, relay, 20) == set(others)


async def test_a_time_out_after_the_sender_was_taken_closes_no_lane(
    settings: Settings, clock: MovableClock
) -> None:
    """The clock stands still: a pause lasts for the rest of the test."""
    async with relayed(settings, clock, "rcpt", seconds=2.0) as (world, relay):
        await write(world, *slow_ones(30))
        await eventually(lambda: len(relay.held) >= 8)
        await write(world, "ada@example.com")

        assert await arrived(world, relay, 1) == {"ada@example.com"}
        await until(lambda: all_postponed(world), 30)
        await write(world, "bob@example.com")
        assert "bob@example.com" in await arrived(world, relay, 2)


async def test_a_slow_recipient_gets_the_mail_when_there_is_more_time(
    settings: Settings, clock: MovableClock
) -> None:
    """Such as a server that first asks the recipient's server whether the address exists."""
    async with relayed(settings, clock, "rcpt", seconds=1.5) as (world, relay):
        await write(world, *slow_ones(1))
        await until(lambda: all_postponed(world))
        clock.advance(5)
        world.wiring.runner.wake()
        await eventually(lambda: len(relay.held) == 2)
        asyncio.get_running_loop().call_later(2.0, relay.let_go.set)  # beyond the time-out

        assert await arrived(world, relay, 1) == set(slow_ones(1))
        await relay.settled(world)
        assert len(relay.mails) == 1


async def test_known_slow_recipients_have_a_lane_of_their_own(
    settings: Settings, clock: MovableClock
) -> None:
    """However many come back: a few at once, beside all others."""
    async with relayed(settings, clock, "rcpt", seconds=20.0) as (world, relay):
        await world.wiring.runner.stop()
        await write(world, *slow_ones(40))
        await world.db.execute("UPDATE outbox SET kind = 'mail.slow'")  # as a time-out leaves it
        await world.wiring.runner.start()
        await eventually(lambda: len(relay.held) == 4)
        others = [f"person{number}@example.com" for number in range(20)]
        await write(world, *others)

        assert await arrived(world, relay, 20) == set(others)
        assert len(relay.held) == 4


async def all_postponed(world: World) -> bool:
    world.wiring.runner.wake()
    return all(job.last_error for job in await world.service(Outbox).list_shown())
