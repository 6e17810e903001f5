"""Apps by which people sign in: codes, consent and notices of sign-outs, while things break."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from statistics import quantiles
from typing import Any

import asyncpg
import httpx
from bench.harness.cluster import SYNCHRONOUS, Cluster, of_both, standby, temporary
from bench.harness.servers import Server

from drills.harness.apps import Member, Office, code_in
from drills.harness.crowd import Size
from drills.harness.everywhere import LONGEST_LAG
from drills.harness.instances import LONGEST_RECOVERY, kill, running, workers_of
from drills.harness.outcome import Outcome
from drills.harness.wire import HOST, PATIENCE

_LIVE_GRANTS = """
    SELECT id::text FROM sessions
     WHERE kind = 'app' AND user_id = $1::uuid AND ended_at IS NULL
"""
_ROUNDS = 3
_LONGEST = 120.0  # seconds that a part of a drill may take


async def codes_worker_killed(size: Size) -> Outcome:
    """People sign in to an app by the code flow; each second one of two workers is killed.

    Some die between the code and the tokens, some between the commit and the answer. An app whose
    answer was lost shows the code once more: it gets its tokens, or what the code gave ends. So
    all tokens that an app was given work, and nothing lives that no app has.
    """

    async def fault(server: Server, cluster: Cluster) -> None:
        kill(min(workers_of(server)))

    return await _codes(size, "killed a worker", fault)


async def codes_database_killed(size: Size) -> Outcome:
    """The same, while PostgreSQL is killed and comes back.

    Refused with 503 meanwhile; whether a code was spent is known as soon as the database is back.
    """

    async def fault(server: Server, cluster: Cluster) -> None:
        await asyncio.to_thread(cluster.kill)
        await asyncio.sleep(size.fault_seconds / _ROUNDS)
        await asyncio.to_thread(cluster.start)

    return await _codes(size, "killed PostgreSQL", fault)


async def codes_failed_over(size: Size) -> Outcome:
    """The same, while the primary is killed and its synchronous standby promoted, once.

    What was acknowledged is on the standby. Keyfob finds it by itself, as both are in its URL.
    """
    with temporary(SYNCHRONOUS) as primary, standby(primary) as second:

        async def fault(_: Server) -> None:
            await asyncio.to_thread(primary.kill)
            await asyncio.sleep(size.fault_seconds / _ROUNDS)
            await asyncio.to_thread(second.promote)

        did = "killed the primary, promoted its synchronous standby"
        return await _codes_at(size, did, of_both(primary, second), second.dsn(), fault, rounds=1)


async def _codes(
    size: Size, did: str, fault: Callable[[Server, Cluster], Awaitable[None]]
) -> Outcome:
    with temporary() as cluster:

        async def there(server: Server) -> None:
            await fault(server, cluster)

        did = f"{did}, {_ROUNDS} x"
        return await _codes_at(size, did, cluster.dsn(), cluster.dsn(), there, rounds=_ROUNDS)


async def _codes_at(
    size: Size,
    did: str,
    dsn: str,
    dsn_afterwards: str,
    fault: Callable[[Server], Awaitable[None]],
    *,
    rounds: int,
) -> Outcome:
    async with running(dsn, WORKERS=2, **size.timeouts) as server:
        members, in_flight = await members_of(server.port, size.clients), 0
        async with at_work(members):
            for _ in range(rounds):
                await acknowledged(members, size.requests // (rounds + 1))
                in_flight += len(members[0].asking)
                await fault(server)
            back_at = time.monotonic()
            await acknowledged(members, 1)
            recovered = time.monotonic() - back_at
            await acknowledged(members, size.requests // (rounds + 1))
        lost = await _what_is_lost(dsn_afterwards, members)
    again = [status for member in members for status in member.repeated]
    return Outcome(
        did=f"{did}, while people signed in to an app",
        in_flight=in_flight,
        acknowledged=sum(member.acknowledged for member in members),
        refused=sum(member.refused for member in members),
        lost=lost,
        unexpected=[one for member in members for one in member.wrong],
        recovered_in=recovered,
        late=[f"no sign-in within {recovered:.1f} s"] if recovered > LONGEST_RECOVERY else [],
        notes=[
            f"{sum(member.lost for member in members)} answers of the token endpoint were lost; "
            f"shown again, {again.count(200)} codes gave tokens, and of {again.count(400)} the "
            "grant ended"
        ],
    )


async def members_of(port: int, number: int, **fields: Any) -> list[Member]:
    office, asking = Office(port), set[object]()
    await office.open()
    app = await office.register(**fields)
    members = [Member(port, app, asking) for _ in range(number)]
    await asyncio.gather(*(member.join() for member in members))
    return members


@asynccontextmanager
async def at_work(members: Sequence[Member]) -> AsyncIterator[None]:
    """Let everybody finish the sign-in that is under way at the end."""
    tasks = [asyncio.create_task(member.go_on()) for member in members]
    try:
        yield
    finally:
        for member in members:
            member.stopping = True
        await asyncio.wait_for(asyncio.gather(*tasks), 4 * PATIENCE)


async def acknowledged(members: Sequence[Member], further: int) -> None:
    target = sum(member.acknowledged for member in members) + further
    until = time.monotonic() + _LONGEST
    while sum(member.acknowledged for member in members) < target:
        if time.monotonic() > until:
            raise RuntimeError(f"nobody signs in: {[member.wrong[-1:] for member in members]}")
        await asyncio.sleep(0.02)


async def _what_is_lost(dsn: str, members: Sequence[Member]) -> list[str]:
    """Return the tokens that do not work, and grants that live though no app has their tokens."""
    lost = []
    db = await asyncpg.connect(dsn)
    try:
        for member in members:
            live = {row[0] for row in await db.fetch(_LIVE_GRANTS, member.user_id)}
            held = {member.sid(given) for given in member.given}
            lost += [f"the grant {sid} is gone" for sid in held - live]
            if len(member.given) < (member.given.maxlen or 0):
                lost += [f"the grant {sid} is nobody's" for sid in live - held]
            for given in member.given:
                answer = await member.refresh(given["refresh_token"])
                if answer.status_code != 200:
                    lost.append(f"a refresh token: {answer.text[:80]}")
    finally:
        await db.close()
    return lost


async def consent_withdrawn(size: Size) -> Outcome:
    """People take back what an app has while it refreshes as fast as it can, on two workers.

    Within a second nothing that the app has opens anything, on either worker; no grant and no
    consent is left, and the app is told that its user has to be asked.
    """
    rounds, lags, wrong, answered = max(2, size.requests // 100), [], [], 0
    with temporary() as cluster:
        async with running(cluster.dsn(), WORKERS=2) as server:
            members = await members_of(server.port, rounds)
            db = await asyncpg.connect(cluster.dsn())
            for member in members:
                lag, count, faults = await _withdraw(member, db)
                lags.append(lag)
                wrong += faults
                answered += count
            await db.close()
    slowest = max(lags)
    return Outcome(
        did=f"withdrew consent of {rounds} people while their app refreshed",
        acknowledged=answered,
        lost=wrong,
        late=[f"refused after {slowest:.2f} s"] if slowest > LONGEST_LAG else [],
        notes=[f"refused everywhere after {slowest:.2f} s at the latest"],
    )


async def _withdraw(member: Member, db: asyncpg.Connection) -> tuple[float, int, list[str]]:
    """Return the seconds until all was refused, the good answers before, and what was wrong."""
    code = code_in(await member.authorize())
    tokens = [(await member.exchange(code or "")).json()]
    answers: list[int] = []

    async def refresh() -> None:
        while True:
            answer = await member.refresh(tokens[-1]["refresh_token"])
            answers.append(answer.status_code)
            if answer.status_code == 200:
                tokens.append(answer.json())

    tasks = [asyncio.create_task(refresh()) for _ in range(3)]
    while answers.count(200) < 10 and not any(task.done() for task in tasks):
        await asyncio.sleep(0.01)
    own = {"Authorization": f"Bearer {member.access}"}
    done = await member.server.delete(f"/me/grants/{member.app.id}", headers=own)
    gone_at = time.monotonic()
    lag = await _refused_everywhere(member, tokens)
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    later = await member.refresh(tokens[-1]["refresh_token"])
    live = await db.fetch(_LIVE_GRANTS, member.user_id)
    faults = {
        f"taking back answered {done.status_code}": done.status_code != 204,
        f"a refresh ended with {ended[0]!r}": not all(
            isinstance(one, asyncio.CancelledError) for one in ended
        ),
        "a refresh token works": later.status_code != 400,
        f"{len(live)} grants live": bool(live),
        f"answers {set(answers)}": not set(answers) <= {200, 400},
    }
    return lag - gone_at, answers.count(200), [name for name, is_so in faults.items() if is_so]


async def _refused_everywhere(member: Member, tokens: Sequence[dict[str, Any]]) -> float:
    """Show every access token on connections to both workers; return when all were refused."""
    wires = [httpx.AsyncClient(base_url=member.server.base_url, timeout=15) for _ in range(8)]
    while True:
        shown = [one["access_token"] for one in tokens[-5:]]
        told = await asyncio.gather(
            *(
                wire.get("/oauth2/userinfo", headers={"Authorization": f"Bearer {token}"})
                for wire in wires
                for token in shown
            )
        )
        if all(answer.status_code == 401 for answer in told):
            break
        await asyncio.sleep(0.02)
    for wire in wires:
        await wire.aclose()
    return time.monotonic()


async def receiver_dead(size: Size) -> Outcome:
    """An app that hears of sign-outs takes connections and never answers; its users sign out.

    A sign-out takes as long as without such an app, every notice is kept for later, and other jobs
    are done meanwhile.
    """
    silent: list[asyncio.StreamWriter] = []

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.append(writer)

    dead = await asyncio.start_server(say_nothing, HOST, 0)
    place = f"https://{HOST}:{dead.sockets[0].getsockname()[1]}/hears"
    with temporary() as cluster:
        async with running(cluster.dsn(), WORKERS=2, OUTBOUND_ALLOW="127.0.0.0/8") as server:
            plain = await _signed_out(server.port, size, {})
            heard = await _signed_out(server.port, size, {"backchannel_logout_uri": place})
            waiting = await _waiting_notices(cluster.dsn())
            done_in = await _other_job(server.port, cluster.dsn())
    dead.close()
    before, then = quantiles(plain, n=20)[-1], quantiles(heard, n=20)[-1]
    slower = then > 2 * before + 0.1
    return Outcome(
        did=f"signed {len(heard)} people out of an app whose server is silent",
        acknowledged=len(plain) + len(heard),
        lost=[f"{len(heard) - waiting} notices"] if waiting < len(heard) else [],
        unexpected=[] if silent else ["the app was never called"],
        late=[
            *(["sign-outs were slower"] if slower else []),
            *([f"another job took {done_in:.1f} s"] if done_in > LONGEST_RECOVERY else []),
        ],
        notes=[
            f"95 % of sign-outs within {before * 1000:.0f} ms without such an app, "
            f"{then * 1000:.0f} ms with it",
            f"{len(silent)} calls for {waiting} notices; another job was done in {done_in:.1f} s",
        ],
    )


async def _signed_out(port: int, size: Size, fields: dict[str, Any]) -> list[float]:
    """Let people sign in to an app and then out at the page; return the seconds of the latter."""
    members = await members_of(port, max(10, size.requests // 10), **fields)
    for member in members:
        await member.exchange(code_in(await member.authorize()) or "")
    took = []
    for member in members:
        began = time.monotonic()
        answer = await member.browser.post("/ui/sign-out")
        took.append(time.monotonic() - began)
        if answer.status_code not in {200, 303}:
            raise RuntimeError(f"a sign-out answered {answer.status_code}")
    return took


async def _waiting_notices(dsn: str) -> int:
    db = await asyncpg.connect(dsn)
    try:
        return int(await db.fetchval("SELECT count(*) FROM outbox WHERE kind LIKE '%logout%'"))
    finally:
        await db.close()


async def _other_job(port: int, dsn: str) -> float:
    """Disable an app of one user; return the seconds until the job has ended its grant."""
    [member] = await members_of(port, 1)
    await member.exchange(code_in(await member.authorize()) or "")
    office = Office(port)
    await office.open()
    db = await asyncpg.connect(dsn)
    began = time.monotonic()
    await office.api.patch(f"/admin/clients/{member.app.id}", json={"disabled": True})
    while await db.fetch(_LIVE_GRANTS, member.user_id) and time.monotonic() < began + 60:
        await asyncio.sleep(0.05)
    await db.close()
    return time.monotonic() - began
