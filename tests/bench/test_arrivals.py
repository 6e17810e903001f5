"""Requests that arrive at a rate are each counted, by the answer that they got."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bench.harness.arrivals import Anybody, Told, arrive
from bench.harness.load import Connection, Refused, Step, request

HOST = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"
CUT, SILENCE = b"", None
Say = Callable[[], bytes | None]


@asynccontextmanager
async def server(say: Say) -> AsyncIterator[int]:
    """A server whose answers are these; gives its port."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            answer = say()
            if answer == CUT:
                break
            if answer is not SILENCE:
                writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as listening:
        yield listening.sockets[0].getsockname()[1]
        for writer in writers:
            writer.close()


async def asks(connection: Connection) -> Step:
    """A step like those of the contestants' clients, which take only a success."""

    async def step() -> int:
        answer = await connection.send(request("GET", "/"))
        if answer.status != 200:
            raise Refused(answer)
        return answer.status

    return step


async def told_by(say: Say, **bounds: Any) -> Told:
    async with server(say) as port:
        step = await asks(Anybody(HOST, port))
        return await arrive(HOST, port, [step], 200, 0.1, patience=1.5, **bounds)


async def test_each_is_told_something_or_leaves() -> None:
    answers = itertools.cycle([OK, BUSY, CUT, SILENCE])

    told = await told_by(lambda: next(answers))

    assert (told.count, told.failed, told.unanswered) == (20, 5, 5)
    assert {status: len(seen) for status, seen in told.latencies.items()} == {200: 5, 503: 5}
    assert told.retry_after == [7] * 5
    assert (told.share(200), told.share(503)) == (0.25, 0.25)


async def test_they_come_whether_or_not_others_were_answered() -> None:
    asked: list[None] = []

    told = await told_by(lambda: asked.append(SILENCE))

    assert len(asked) == 20, "though nobody was answered"
    assert told.unanswered == 20


async def test_who_finds_no_place_is_not_answered_either() -> None:
    asked: list[None] = []

    told = await told_by(lambda: asked.append(SILENCE), most_open=5)

    assert len(asked) == 5
    assert told.unanswered == 20


async def test_nobody_begins_a_step_before_the_last_one_has_ended() -> None:
    """Otherwise a refresh sends a token that the one before it has spent."""
    under_way, most = [0, 0], [0, 0]
    asked = 0

    def stepping(which: int) -> Step:
        async def step() -> int:
            nonlocal asked
            asked += 1
            under_way[which] += 1
            most[which] = max(most[which], under_way[which])
            answer = await anybody.send(request("GET", "/"))
            for _ in range(50):
                await asyncio.sleep(0)
            under_way[which] -= 1
            return answer.status

        return step

    async with server(lambda: OK) as port:
        anybody = Anybody(HOST, port)
        steps = [stepping(which) for which in range(2)]
        told = await arrive(HOST, port, steps, 100_000, 0.001, one_at_a_time=True)

    assert (asked, told.answers) == (100, {"200": 100, "cut": 0, "unanswered": 0})
    assert most == [1, 1], "for each of the two"


async def test_who_waits_for_a_step_of_its_own_is_as_impatient() -> None:
    told = await told_by(lambda: SILENCE, one_at_a_time=True)

    assert told.unanswered == 20, "those who waited for a step that had no answer, too"
