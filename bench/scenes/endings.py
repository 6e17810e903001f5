"""Ending all of a user's sessions: at ten, and at the most that one may have."""

import asyncio
import statistics
import time
from collections.abc import Sequence

import asyncpg

from bench.harness import figures, servers
from bench.harness.clients import PASSWORD, registered
from bench.harness.load import Connection, request
from keyfob.settings import Settings

FEW = 10
MOST: int = Settings.model_fields["max_sessions"].default
USERS = 6  # of each kind, in each round
_SIGNING_IN = 8  # connections

# What concerns a user as a whole, and each session of that user.
_ENTRIES = """
SELECT count(*) FROM revocations WHERE id IN (
    SELECT id FROM users WHERE email = $1
    UNION ALL
    SELECT s.id FROM sessions AS s JOIN users AS u ON u.id = s.user_id WHERE u.email = $1
)
"""


def run(report: figures.Report, dsn: str, rounds: int, _: float) -> None:
    entries: list[int] = []

    def ending(sessions: int, port: int) -> float:
        return asyncio.run(_p50(dsn, port, sessions, entries))

    with servers.keyfob(dsn, BCRYPT_COST=4) as ours:
        few, most = figures.in_turn(
            rounds, lambda: ending(FEW, ours.port), lambda: ending(MOST, ours.port)
        )
    for sessions, values in ((FEW, few), (MOST, most)):
        report.figure("ending all sessions of a user", "Keyfob", "p50", "ms", values, at=sessions)
    report.add(
        f"ending all of a user's sessions: p50 at {MOST} / at {FEW}",
        figures.ratios(most, few),
        2,
        f"{min(few):.2f} ms, then {min(most):.2f} ms",
        at_most=True,
    )
    assert min(entries), "nothing was revoked"
    report.add(
        "ending all of a user's sessions, revocation entries",
        [max(entries)],
        1,
        f"the most of {len(entries)} users",
        at_most=True,
    )


async def _p50(dsn: str, port: int, sessions: int, entries: list[int]) -> float:
    """Have some users end so many sessions each; return the median in ms, and keep the entries."""
    database = await asyncpg.connect(dsn)
    ending = Connection(servers.HOST, port)
    seen = []
    for _ in range(USERS):
        email, tokens = await _with_sessions(port, sessions)
        assert await _answers(ending, tokens) == {200}
        wire = request("DELETE", "/logout-all", token=tokens[0])
        before = time.perf_counter()
        answer = await ending.send(wire)
        seen.append(time.perf_counter() - before)
        assert answer.status == 204, answer
        assert await _answers(ending, tokens) == {401}
        entries.append(await database.fetchval(_ENTRIES, email))
    ending.close()
    await database.close()
    return statistics.median(seen) * 1000


async def _with_sessions(port: int, count: int) -> tuple[str, list[str]]:
    """Make a user with so many live sessions; return the address and an access token of each."""
    connections = [Connection(servers.HOST, port) for _ in range(_SIGNING_IN)]
    email, opened = await registered(connections[0])
    wire = request("POST", "/login", body={"email": email, "password": PASSWORD})
    tokens = [opened["access_token"]]

    async def sign_in(number: int, connection: Connection) -> None:
        for _ in range(1 + number, count, _SIGNING_IN):
            answer = await connection.send(wire)
            assert answer.status == 200, answer
            tokens.append(answer.json()["access_token"])

    await asyncio.gather(*(sign_in(*each) for each in enumerate(connections)))
    for connection in connections:
        connection.close()
    return email, tokens


async def _answers(connection: Connection, tokens: Sequence[str]) -> set[int]:
    """Return what the service says to these tokens."""
    return {(await connection.send(request("GET", "/me", token=token))).status for token in tokens}
