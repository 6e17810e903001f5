"""Several instances on one database: what must hold across all of them, also with other clocks."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from bench.harness.cluster import temporary

from drills.harness.crowd import Size, crowd
from drills.harness.everywhere import LONGEST_LAG, look_everywhere
from drills.harness.judging import Story
from drills.harness.outcome import Outcome
from drills.harness.truth import lost_promises
from drills.harness.variants import FakeTime, variant
from drills.harness.wire import Wire

_GRACE = 2
_ROOM = 25

# By how much a clock is set, in seconds: far more than the grace time.
_SET = 90

# Seconds: each is a whole one, and one is asked for after the other.
_DATES_DIFFER = 5
_LONGEST_SETTING = 30.0

# What the crowd does more often than one address or caller may.
_PLENTY = ("REGISTER", "LOGIN", "LOGOUT", "ADMIN", "ME_FACTORS", "ME_ADDRESS", "CLIENT", "REVOKE")

_SETTINGS: dict[str, object] = {
    "WORKERS": 2,
    "LIMITS": "on",
    "REFRESH_GRACE": _GRACE,
    "LIMIT_ME": f"{_ROOM}/hour",
    **{f"LIMIT_{name}": "1000000/minute" for name in _PLENTY},
}

# Something is broken, given the ports of both; returns what is wrong with the drill itself.
Step = Callable[[list[int]], Awaitable[list[str]]]


async def two_instances(size: Size) -> Outcome:
    """Two instances with two workers each serve one database under mixed load.

    A limit lets exactly so many pass over all four workers; what ends a session at one is refused
    by all within a second; a refresh token presented to all at once has one successor, and ends the
    session everywhere when it comes back after its grace time.
    """
    return await _together(size, "two instances of two workers on one database", {}, [])


async def clock_set(size: Size) -> Outcome:
    """The wall clock of one of two instances is set 90 s ahead, then back, then 90 s behind.

    Everything that holds with two instances holds on, and no token is refused: every worker goes
    by the database's clock.
    """
    return await _with_another_clock(size, 0, (_SET, 0, -_SET), "set one instance's clock by 90 s")


async def clock_off(size: Size) -> Outcome:
    """One of two instances starts with a wall clock that is 90 s ahead, and it is put right."""
    return await _with_another_clock(size, _SET, (0,), "started an instance 90 s ahead")


async def _with_another_clock(size: Size, start: int, then: tuple[int, ...], did: str) -> Outcome:
    if FakeTime.library() is None:
        return Outcome(did, unavailable="libfaketime is not installed (Debian: libfaketime)")
    with tempfile.TemporaryDirectory(prefix="keyfob-clock-") as folder:
        other = FakeTime(Path(folder), start)

        def setting(seconds: int) -> Step:
            async def set_it(ports: list[int]) -> list[str]:
                other.set(seconds)
                return await _is_not_off(ports, seconds)

            return set_it

        return await _together(size, did, other.environment, [setting(s) for s in then])


async def _is_not_off(ports: list[int], seconds: int) -> list[str]:
    """Wait until the field `Date`, which is the server's and not ours, shows the clock as set."""
    one, two = (Wire(port) for port in ports)
    off, until = 0.0, time.monotonic() + _LONGEST_SETTING
    while time.monotonic() < until:
        off = (await _date(two) - await _date(one)).total_seconds()
        if abs(off - seconds) <= _DATES_DIFFER:
            break
        await asyncio.sleep(0.2)
    one.close()
    two.close()
    return [] if abs(off - seconds) <= _DATES_DIFFER else [f"the clock is {off:g} s off"]


async def _date(wire: Wire) -> datetime:
    answer = await wire.ask("GET", "/health/live")
    return parsedate_to_datetime(answer.headers["date"])


async def _together(
    size: Size, did: str, environment: Mapping[str, str], faults: list[Step]
) -> Outcome:
    """Look at everything that must hold everywhere: at first, and after each fault."""
    story = Story(did, size, may_refuse=False, must_refuse=False)
    ledger, lags = story.ledger, [0.0]
    with temporary() as cluster:
        async with (
            variant(cluster.dsn(), _SETTINGS) as one,
            variant(cluster.dsn(), _SETTINGS, environment) as two,
        ):
            ports = [one.port, two.port]
            async with crowd(ledger, ports, size.clients) as people:
                for fault in (_nothing, *faults):
                    await people.acknowledged(size.requests // (2 + 2 * len(faults)))
                    story.faults_at.append(time.monotonic())
                    story.unexpected += await fault(ports)
                    found = await look_everywhere(ledger, ports, _ROOM, _GRACE)
                    story.unexpected += found.wrong
                    lags += found.lags
                    await people.acknowledged(size.requests // (2 + 2 * len(faults)))
            lost = await lost_promises(ledger, cluster.dsn(), two.port)
    if max(lags) > LONGEST_LAG:
        story.late.append(f"refused everywhere after {max(lags):.2f} s only")
    story.notes.append(f"ended on one, refused everywhere after {max(lags):.3f} s at most")
    return story.outcome(lost)


async def _nothing(_: list[int]) -> list[str]:
    """Break nothing: what must hold must hold before."""
    return []
