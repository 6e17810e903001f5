"""Workers that die, and services that are told to stop."""

import asyncio
import signal
import socket
import time

import psutil
from bench.harness.cluster import temporary
from bench.harness.servers import Server

from drills.harness.crowd import Size, crowd
from drills.harness.instances import kill, running, workers_of
from drills.harness.judging import Story
from drills.harness.outcome import Outcome
from drills.harness.truth import lost_promises
from drills.harness.wire import HOST, Break

# The settings' default: seconds that requests in flight get at a stop.
_GRACE = 20.0


async def worker_killed(size: Size) -> Outcome:
    """One of two workers is killed (`kill -9`) in the middle of mixed requests.

    Connections to the dead worker break. Nobody is refused: the other worker serves, and a new
    one joins in.
    """
    story = Story(
        "killed one of two workers",
        size,
        excused={Break.RESET},
        may_refuse=False,
        must_refuse=False,
    )
    with temporary() as cluster:
        async with running(cluster.dsn(), WORKERS=2) as server:
            async with crowd(story.ledger, [server.port], size.clients) as people:
                await people.acknowledged(size.requests // 2)
                before = set(workers_of(server))
                story.faults_at.append(time.monotonic())
                kill(min(before))
                story.back_at = time.monotonic()
                await people.acknowledged(size.requests // 2)
                await people.until(lambda: _serves(server, before))
                joined = time.monotonic() - story.back_at
                story.notes.append(f"a new worker had clients after {joined:.2f} s")
                await asyncio.sleep(size.after_seconds)
            return story.outcome(await lost_promises(story.ledger, cluster.dsn(), server.port))


def _serves(server: Server, before: set[int]) -> bool:
    """Tell whether a new worker has clients."""
    newcomers = set(workers_of(server)) - before
    return any(
        connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == server.port
        for newcomer in newcomers
        for connection in psutil.Process(newcomer).net_connections("tcp")
    )


async def stopped(size: Size) -> Outcome:
    """A service of one worker is told to stop (SIGTERM) under load, several times.

    Requests in flight are answered, nobody is reset, and it ends with code 0 within the grace
    time. Whoever comes later finds nobody.
    """
    return await _stopped(size, workers=1)


async def stopped_pair(size: Size) -> Outcome:
    """The same with two workers on one socket."""
    return await _stopped(size, workers=2)


async def _stopped(size: Size, workers: int) -> Outcome:
    rounds = max(1, size.requests // 200)
    story = Story(
        f"told {workers} worker{'s' * (workers > 1)} to stop, {rounds} x",
        size,
        excused={Break.REFUSED},
        may_refuse=False,
        must_refuse=False,
    )
    with temporary() as cluster:
        for _ in range(rounds):
            await _stop_once(story, cluster.dsn(), workers)
        async with running(cluster.dsn()) as server:
            return story.outcome(await lost_promises(story.ledger, cluster.dsn(), server.port))


async def _stop_once(story: Story, dsn: str, workers: int) -> None:
    async with (
        running(dsn, WORKERS=workers) as server,
        crowd(story.ledger, [server.port], story.size.clients) as people,
    ):
        await people.acknowledged(story.size.requests // 5)
        story.faults_at.append(time.monotonic())
        server.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(server.process.wait, 60)
        took = time.monotonic() - story.faults_at[-1]
    if code != 0:
        story.unexpected.append(f"exit code {code}")
    if took > _GRACE:
        story.late.append(f"the stop took {took:.2f} s")
    story.notes.append(f"ended after {took:.2f} s")
    with socket.socket() as probe:
        if probe.connect_ex((HOST, server.port)) == 0:
            story.unexpected.append("somebody still listens")
