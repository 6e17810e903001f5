"""Three instances behind a balancer: rolled, killed, and asked who the client is."""

import asyncio
import http.client
import json
import time
import uuid
from collections.abc import Sequence

from bench.harness.cluster import HOST, temporary

from drills.harness.crowd import Size, crowd
from drills.harness.instances import LONGEST_RECOVERY
from drills.harness.ledger import PASSWORD, Ask, Ledger
from drills.harness.outcome import Outcome
from drills.harness.truth import lost_promises
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
    ledger = Ledger()
    settings = {"TRUSTED_PROXIES": f"{HOST}/32"}
    try:
        with temporary() as cluster:
            async with fleet(cluster.dsn(), 3, **settings) as members:
                with balancer([member.port for member in members]) as front:
                    async with crowd(ledger, [front], size.clients) as people:
                        await people.acknowledged(size.requests // 2)
                        codes = await _roll(members)
                        await people.acknowledged(size.requests // 2)
                        rolled = [ask for ask in ledger.asks if ask.status or ask.broke]
                        fault_at = time.monotonic()
                        await members[0].crash()
                        gone_at = time.monotonic()
                        await people.acknowledged(size.requests)
                        await members[0].start()
                        await people.acknowledged(size.requests // 2)
                    lost = await lost_promises(ledger, cluster.dsn(), front)
                    lag = await slowest_revocation([member.port for member in members])
                    forged = await asyncio.to_thread(_untrue_address, front)
    except NotInstalled as why:
        return Outcome(did=f"three instances behind {name}", unavailable=str(why))
    broken = [ask for ask in ledger.asks if _went_down(ask, fault_at, gone_at)]
    recovered = ledger.recovered_in(fault_at)
    return Outcome(
        did=f"three instances behind {name}: each restarted in turn, then one killed",
        in_flight=ledger.in_flight(fault_at),
        acknowledged=ledger.acknowledged,
        refused=ledger.refused(),
        lost=lost,
        unexpected=[
            *(f"an instance stopped with {code}" for code in codes if code != 0),
            *(_tell(ask) for ask in ledger.asks if _failed(ask) and ask not in broken),
            *forged,
        ],
        recovered_in=recovered,
        late=[
            *([] if recovered is not None and recovered <= LONGEST_RECOVERY else ["no recovery"]),
            *late(lag),
        ],
        notes=[
            f"failed while each instance was restarted: "
            f"{sum(_failed(ask) for ask in rolled)} of {len(rolled)} requests",
            f"in flight at the kill and answered by nobody: {len(broken)}",
            told(lag),
        ],
    )


async def _roll(members: Sequence[Member]) -> list[int | None]:
    """Restart one instance after the other, as a deployment does; return their exit codes."""
    codes = []
    for member in members:
        codes.append(await member.stop())
        await member.start()
    return codes


def _failed(ask: Ask) -> bool:
    return bool(ask.broke or ask.complaint or ask.status == 503)


def _went_down(ask: Ask, fault_at: float, gone_at: float) -> bool:
    """Whether a failed request was with the killed instance: the balancer answers 502 for it."""
    under_way = ask.began <= gone_at and ask.ended >= fault_at
    return _failed(ask) and under_way and ask.status in {0, 502}


def _tell(ask: Ask) -> str:
    return f"{ask.kind}: {ask.broke or ask.complaint.split(chr(10))[0] or ask.status}"


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
