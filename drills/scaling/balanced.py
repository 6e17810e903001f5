"""Three instances behind a balancer: rolled, killed, and asked who the client is."""

import asyncio
import http.client
import json
import time
import uuid
from collections.abc import Sequence

from bench.harness.cluster import HOST, temporary

from drills.harness.crowd import Size, crowd
from drills.harness.judging import Story
from drills.harness.ledger import PASSWORD, Ask
from drills.harness.outcome import Outcome
from drills.harness.truth import lost_promises
from drills.harness.wire import Break
from drills.scaling.balancers import Balancer, haproxy, nginx
from drills.scaling.fleet import Member, fleet
from drills.scaling.programs import NotInstalled
from drills.scaling.revocation import late, slowest_revocation, told


async def behind_haproxy(size: Size) -> Outcome:
    """Three instances behind HAProxy: each is restarted under load, then one is killed."""
    return await _behind(haproxy, "HAProxy", size)


async def behind_nginx(size: Size) -> Outcome:
    """Three instances behind nginx: each is restarted under load, then one is killed."""
    return await _behind(nginx, "nginx", size)


async def _behind(balancer: Balancer, name: str, size: Size) -> Outcome:
    story = Story(
        f"three instances behind {name}: each restarted in turn, then one killed",
        size,
        excused=(Break.RESET,),
        may_refuse=False,
        must_refuse=False,
    )
    settings = {"TRUSTED_PROXIES": f"{HOST}/32"}
    try:
        with temporary() as cluster:
            async with fleet(cluster.dsn(), 3, **settings) as members:
                with balancer([member.port for member in members]) as front:
                    await _roll_and_kill(story, members, front)
                    lost = await lost_promises(story.ledger, cluster.dsn(), front)
                    lag = await slowest_revocation([member.port for member in members])
                    story.unexpected += await asyncio.to_thread(_untrue_address, front)
    except NotInstalled as why:
        return Outcome(did=story.did, unavailable=str(why))
    story.notes.append(told(lag))
    story.late += late(lag)
    return story.outcome(lost)


async def _roll_and_kill(story: Story, members: Sequence[Member], front: int) -> None:
    ledger, requests = story.ledger, story.size.requests
    async with crowd(ledger, [front], story.size.clients) as people:
        await people.acknowledged(requests // 2)
        story.unexpected += await _roll(members)
        await people.acknowledged(requests // 2)
        rolled = [ask for ask in ledger.asks if ask.status or ask.broke]
        fault_at = story.back_at = time.monotonic()
        story.faults_at.append(fault_at)
        await members[0].crash()
        gone_at = time.monotonic()
        await people.acknowledged(requests)
        await members[0].start()
        await people.acknowledged(requests // 2)
    down = [ask for ask in ledger.asks if _went_down(ask, fault_at, gone_at)]
    story.unexpected += [f"{ask.kind} {ask.broke}" for ask in ledger.asks if _is_new(ask, down)]
    story.notes += [
        f"failed while each instance was restarted: {sum(map(_failed, rolled))} of {len(rolled)} "
        f"requests",
        f"in flight at the kill and answered by nobody: {len(down)}",
    ]
    for ask in down:
        ask.complaint = ""  # the balancer's 502 for an instance that died at work


async def _roll(members: Sequence[Member]) -> list[str]:
    """Restart one instance after the other, as a deployment does; tell who did not stop well."""
    codes = []
    for member in members:
        codes.append(await member.stop())
        await member.start()
    return [f"an instance stopped with {code}" for code in codes if code != 0]


def _failed(ask: Ask) -> bool:
    return bool(ask.broke or ask.complaint or ask.status == 503)


def _went_down(ask: Ask, fault_at: float, gone_at: float) -> bool:
    """Tell whether a failed request was at the killed instance: the balancer answers 502 for it."""
    under_way = ask.began <= gone_at and ask.ended >= fault_at
    return _failed(ask) and under_way and ask.status in {0, 502}


def _is_new(ask: Ask, down: Sequence[Ask]) -> bool:
    """Tell whether a request got no answer, and was not at the killed instance."""
    return ask.broke is not None and ask not in down


def _untrue_address(front: int) -> list[str]:
    """Sign up from 127.0.0.77 as somebody who claims to be another; tell what is believed of it.

    With the prefix and without it, which the examples keep or strip.
    """
    wrong = []
    for prefix in ("", "/auth"):
        connection = http.client.HTTPConnection(HOST, front, source_address=("127.0.0.77", 0))
        body = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
        claims = {"content-type": "application/json", "x-forwarded-for": "203.0.113.9"}
        connection.request("POST", f"{prefix}/register", json.dumps(body), claims)
        tokens = json.loads(connection.getresponse().read())
        connection.request(
            "GET",
            f"{prefix}/me/sessions",
            headers={"authorization": f"Bearer {tokens['access_token']}"},
        )
        [session] = json.loads(connection.getresponse().read())
        if session["ip_address"] != "127.0.0.77":
            wrong.append(f"the client's address {session['ip_address']} is not its own")
        connection.close()
    return wrong
