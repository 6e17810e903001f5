"""The events of a worker, and the readers that wait for them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from keyfob.core.events import Events

READERS = 100


@dataclass
class Reader:
    """Notes every event that it gets."""

    events: Events
    got: list[bytes] = field(default_factory=list)

    async def read(self) -> None:
        place = 0
        while (following := await self.events.after(place)) is not None:
            place += 1
            self.got.append(following[1])


@contextmanager
def reading(events: Events) -> Iterator[list[tuple[Reader, asyncio.Task[None]]]]:
    """Many readers, from the first event on."""
    readers = [Reader(events) for _ in range(READERS)]
    tasks = [asyncio.create_task(reader.read()) for reader in readers]
    yield list(zip(readers, tasks, strict=True))
    for task in tasks:
        task.cancel()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_an_event_wakes_a_few_readers_in_each_turn() -> None:
    """Otherwise every request waits until an event was sent to all of them."""
    events = Events(1000)
    with reading(events) as readers:
        await turns(1)
        events.add("revocations", b"one")
        seen, most = 0, 0
        while seen < READERS:
            await turns(1)
            before, seen = seen, sum(len(reader.got) for reader, _ in readers)
            most = max(most, seen - before)

    assert most <= 8


async def test_every_reader_gets_every_event_though_more_come_meanwhile() -> None:
    events = Events(1000)
    expected = [b"%d" % number for number in range(5)]
    with reading(events) as readers:
        for one in expected:
            await turns(2)
            events.add("revocations", one)
        _, leaver = readers.pop(50)
        leaver.cancel()  # while it is about to be woken
        events.end("closing", "stopping")
        await asyncio.wait([task for _, task in readers])

    assert [reader.got for reader, _ in readers] == [expected] * (READERS - 1)
