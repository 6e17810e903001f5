"""A primary with a streaming standby: the primary goes, the standby is promoted, under load.

Who decides that the primary is gone, and that it stays gone, is not tried here: that is the work of
a failover manager, or of somebody who is awake.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace

from bench.harness.cluster import SYNCHRONOUS, Cluster, of_both, standby, temporary

from drills.harness.crowd import Size, crowd
from drills.harness.judging import Story
from drills.harness.outcome import Outcome
from drills.harness.truth import lost_promises
from drills.scaling.fleet import fleet
from drills.scaling.revocation import late, slowest_revocation, told

# What may be acknowledged without a write: an old refresh token gets the same successor.
_NO_CHANGE = {"me", "refresh"}


async def failover(size: Size) -> Outcome:
    """The primary is killed; its synchronous standby is promoted."""
    return await _fail_over(size, "killed the primary", Cluster.kill, SYNCHRONOUS)


async def failover_silent(size: Size) -> Outcome:
    """The primary's machine says nothing any more; its synchronous standby is promoted."""
    return await _fail_over(size, "froze the primary", _freeze, SYNCHRONOUS)


async def failover_asynchronous(size: Size) -> Outcome:
    """The primary is killed; a standby that nobody waited for is promoted: what it had not is lost.

    This is told and not judged: whoever sets up replication so has chosen it.
    """
    return await _fail_over(size, "killed the primary", Cluster.kill, {})


async def standby_lost(size: Size) -> Outcome:
    """The one synchronous standby is killed and started again: no change is promised meanwhile.

    PostgreSQL writes a change and then waits for the standby, so one that was refused may have been
    made. A client that tries again is served: its old token gets the same successor.
    """
    # A registration may wait behind another for the audit chain first, and then for the standby.
    patience = replace(size, command_timeout=2 * size.command_timeout)
    story = Story("killed the only synchronous standby, started it again", patience)
    with temporary(SYNCHRONOUS) as primary, standby(primary) as second:
        async with fleet(primary.dsn(), 2, **size.timeouts) as members:
            ports = [member.port for member in members]
            async with crowd(story.ledger, ports, size.clients) as people:
                await people.acknowledged(size.requests)
                story.faults_at.append(time.monotonic())
                second.kill()
                await asyncio.sleep(size.fault_seconds + size.longest_refusal)
                # It takes what waits for it before its start tells that it is ready.
                away_until = time.monotonic()
                await asyncio.to_thread(second.start)
                story.back_at = time.monotonic()
                await people.acknowledged(size.requests)
                await asyncio.sleep(size.longest_refusal)
            lost = await lost_promises(story.ledger, primary.dsn(), ports[0])
    story.unexpected += [
        f"{ask.kind} acknowledged without the standby"
        for ask in story.ledger.asks
        if ask.acknowledged and ask.kind not in _NO_CHANGE
        if story.faults_at[0] < ask.began and ask.ended < away_until
    ]
    return story.outcome(lost)


async def _fail_over(
    size: Size, fault: str, strike: Callable[[Cluster], None], options: dict[str, str]
) -> Outcome:
    kind = "synchronous" if options else "asynchronous"
    story = Story(f"{fault}, promoted its {kind} standby", size)
    with temporary(options) as primary, standby(primary) as second:
        async with fleet(of_both(primary, second), 2, **size.timeouts) as members:
            ports = [member.port for member in members]
            async with crowd(story.ledger, ports, size.clients) as people:
                await people.acknowledged(size.requests)
                story.faults_at.append(time.monotonic())
                strike(primary)
                await asyncio.sleep(size.fault_seconds)
                await asyncio.to_thread(second.promote)
                story.back_at = time.monotonic()
                await people.acknowledged(size.requests)
                await asyncio.sleep(size.longest_refusal)  # who still waits for the old one
            lost = await lost_promises(story.ledger, second.dsn(), ports[0])
            lag = await slowest_revocation(ports)
        _unfreeze(primary)
    story.notes += [f"promoted after {story.back_at - story.faults_at[0]:.2f} s", told(lag)]
    story.late += late(lag)
    if options:
        return story.outcome(lost)
    story.notes.append(f"{len(lost)} promises of {story.ledger.acknowledged} lost")
    return replace(story.outcome([]), unexpected=[])  # who lost a session is refused, rightly


def _freeze(cluster: Cluster) -> None:
    """Stop every process: what is sent to them is taken by the system and never answered."""
    for pid in cluster.pids:
        os.kill(pid, signal.SIGSTOP)


def _unfreeze(cluster: Cluster) -> None:
    """Kill what was frozen, so that it never serves beside the new primary."""
    if cluster.process is not None:
        cluster.kill()
