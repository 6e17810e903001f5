"""Ten thousand revocations within a minute: every reader gets all, in few documents, kept once."""

import asyncio
import tracemalloc
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from uuid import UUID

import pytest
from tests.fixtures.event_streams import Stream, streaming
from tests.fixtures.feed import Follower
from tests.fixtures.fuzzing import listening
from tests.fixtures.hostile import claims_of
from tests.fixtures.world import World

from keyfob.revocation_feed.streams import RevocationStreams
from keyfob.sessions.revocations import Revocations

MANY = 10_000
READERS = 20


async def read_all(stream: Stream) -> list[str]:
    """Return the documents up to the last revocation, in a list that says how they follow."""
    documents, found = [], 0
    while found < MANY:
        event = await stream.next(60)
        assert event.name in {"revocations", "heartbeat"}
        documents.append(event.data)
        found += len(claims_of(event.data)["entries"])
    return documents


@contextmanager
def traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def bytes_of_the_feed() -> int:
    """Return what the room's own code has allocated and not given back, for all its readers."""
    own = tracemalloc.Filter(inclusive=True, filename_pattern="*/keyfob/revocation_feed/*")
    traces = tracemalloc.take_snapshot().filter_traces([own]).statistics("filename")
    return sum(trace.size for trace in traces)


@pytest.mark.slow
async def test_ten_thousand_reach_every_reader(
    world: World, other: World, follower: Follower
) -> None:
    revocations = world.service(Revocations)
    numbers = iter(range(1, MANY + 1))

    async def revoke_some() -> None:
        for number in numbers:
            async with world.db.begin() as tx:
                await revocations.revoke(tx, [(UUID(int=number), 0)])

    async with AsyncExitStack() as stack:
        stack.enter_context(traced())
        url = await stack.enter_async_context(listening(other))
        streams = [
            await stack.enter_async_context(streaming(url, follower.token, follower.position))
            for _ in range(READERS)
        ]
        reading = asyncio.gather(*map(read_all, streams))
        await asyncio.gather(*(revoke_some() for _ in range(4)))
        told = await reading
        kept = bytes_of_the_feed()

    assert all(documents[-1] == told[0][-1] for documents in told)
    for document in told[0]:
        await follower.take(document)
    assert set(follower.dead) == {UUID(int=number) for number in range(1, MANY + 1)}
    # How many fit into a moment is a matter of the machine.
    assert len(told[0]) < MANY / 2, "those of a moment come together"
    assert 0 < kept < other.service(RevocationStreams).most_bytes, "no copy for each reader"
