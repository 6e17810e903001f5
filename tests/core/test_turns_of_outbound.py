"""Whoever names slow servers, or names that nobody resolves, holds up nobody else."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextvars import copy_context
from typing import Any

import pytest
from tests.fixtures.far_end import FarEnd, far_end
from tests.fixtures.waiting import until

from keyfob.core.addresses import set_asker
from keyfob.core.fair_queue import Crowded, Places
from keyfob.core.outbound import Busy, CannotFetch, Fetched, Outbound

HERE, THERE = "198.51.100.7", "203.0.113.9"


@pytest.fixture
async def end() -> AsyncIterator[FarEnd]:
    async with far_end(None) as end:
        yield end


@pytest.fixture
async def slow() -> AsyncIterator[FarEnd]:
    async with far_end(None) as slow:
        slow.hold = asyncio.Event()
        yield slow
        slow.hold.set()


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    client = Outbound(allow=["127.0.0.1", "::1"], seconds=1)
    yield client
    await client.close()


def asked_by(address: str, client: Outbound, url: str, **more: Any) -> asyncio.Task[Fetched]:
    """Begin a fetch for a request from an address."""
    context = copy_context()
    context.run(set_asker, lambda: address)
    return asyncio.get_running_loop().create_task(client.get(url, **more), context=context)


async def outcomes(*fetches: asyncio.Task[Fetched]) -> list[type]:
    return [type(one) for one in await asyncio.gather(*fetches, return_exceptions=True)]


async def held(slow: FarEnd, amount: int) -> None:
    async def so_many() -> bool:
        return len(slow.asked) >= amount

    await until(so_many)


async def test_one_network_holds_a_part_of_the_connections(
    outbound: Outbound, slow: FarEnd, end: FarEnd
) -> None:
    many = [asked_by(HERE, outbound, slow.url) for _ in range(40)]
    await held(slow, 4)

    other = await asked_by(THERE, outbound, end.url)

    assert other.status == 200
    assert len(slow.asked) == 4
    assert slow.hold
    slow.hold.set()
    await outcomes(*many)


async def test_all_addresses_of_a_network_are_one_asker(
    outbound: Outbound, slow: FarEnd, end: FarEnd
) -> None:
    many = [asked_by(f"2001:db8:1:{number:x}::1", outbound, slow.url) for number in range(40)]
    await held(slow, 4)

    assert (await asked_by("2001:db8:2::1", outbound, end.url)).status == 200
    assert len(slow.asked) == 4
    assert slow.hold
    slow.hold.set()
    await outcomes(*many)


async def test_where_networks_hold_all_of_them_another_gets_the_next(
    outbound: Outbound, slow: FarEnd, end: FarEnd
) -> None:
    """The time for an answer begins with the turn, so that nobody waits it away."""
    many = [
        asked_by(f"198.51.100.{number}", outbound, slow.url)
        for number in range(1, 5)
        for _ in range(12)
    ]
    await held(slow, 16)
    outbound.seconds = 5

    assert (await asked_by(THERE, outbound, end.url)).status == 200
    assert slow.hold
    slow.hold.set()
    await outcomes(*many)


async def test_whose_turn_does_not_come_is_told_that_it_was_not_tried(
    outbound: Outbound, slow: FarEnd
) -> None:
    outbound.seconds = 0.3
    many = [asked_by(HERE, outbound, slow.url) for _ in range(12)]

    kinds = await outcomes(*many)

    # Four at a time: those after them get their turns in the moment in which they give up.
    assert set(kinds) <= {CannotFetch, Busy}
    assert kinds[:4] == [CannotFetch] * 4
    assert Busy in kinds


async def test_a_named_share_counts_in_place_of_the_asker(
    outbound: Outbound, slow: FarEnd, end: FarEnd
) -> None:
    many = [asked_by(HERE, outbound, slow.url) for _ in range(8)]
    await held(slow, 4)

    assert (await asked_by(HERE, outbound, end.url, share=("a client",))).status == 200
    assert slow.hold
    slow.hold.set()
    await outcomes(*many)


@pytest.fixture
def dead_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Have names of `dead.example` never resolve, and return those that were asked for."""
    asked: list[str] = []
    goes_on = threading.Event()

    def find(host: str, *_: object, **__: object) -> Sequence[object]:
        asked.append(host)
        if host.endswith("dead.example"):
            goes_on.wait(30)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", find)
    yield asked
    goes_on.set()


async def test_names_that_nobody_resolves_hold_few_threads_for_longer_than_their_fetch(
    outbound: Outbound, dead_names: list[str]
) -> None:
    """A thread that waits for a name server goes on, whoever has given up."""
    outbound.seconds = 0.1
    for round_ in range(6):
        asked = [
            asked_by(HERE, outbound, f"https://{round_}-{number}.dead.example/")
            for number in range(8)
        ]
        assert {CannotFetch, Busy} >= set(await outcomes(*asked))
    held_threads = len(dead_names)

    with pytest.raises(CannotFetch, match="gaierror"):
        await asked_by(THERE, outbound, "https://app.example/")

    assert held_threads == 4
    assert dead_names[-1] == "app.example"


async def test_of_too_many_that_wait_the_newest_of_the_largest_share_gives_way() -> None:
    places = Places(1, of_one=1, most_waiting=3)
    await places.take(("held",), 1)
    greedy = [asyncio.create_task(places.take(("greedy",), 1)) for _ in range(3)]
    await asyncio.sleep(0)

    modest = asyncio.create_task(places.take(("modest",), 1))
    with pytest.raises(Crowded):
        await greedy[2]
    for share in ("held", "greedy", "modest", "greedy"):
        places.give((share,))
        await asyncio.sleep(0)

    assert [one.done() for one in (*greedy, modest)] == [True] * 4
    await asyncio.gather(*greedy[:2], modest)
    await places.take(("whoever",), 1)  # and the place was given back


async def test_a_place_that_comes_as_its_taker_leaves_goes_to_the_next() -> None:
    places = Places(1, of_one=1, most_waiting=9)
    await places.take(("held",), 1)
    leaving, staying = (asyncio.create_task(places.take((name,), 1)) for name in "ab")
    await asyncio.sleep(0)

    places.give(("held",))
    leaving.cancel()
    await staying

    with pytest.raises(asyncio.CancelledError):
        await leaving
