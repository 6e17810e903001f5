"""Admin list, page and search: latency at ten times as many users."""

import asyncio
import statistics
import time

import asyncpg

from bench.harness import figures, servers
from bench.harness.load import Connection, request

SMALL, LARGE = 10_000, 100_000

_FILL = """
WITH made AS (
    INSERT INTO users (id, email, email_normal, name, password_hash, created_at, updated_at)
    SELECT gen_random_uuid(), 'person' || n || '@example.com', 'person' || n || '@example.com',
           'Person ' || md5(n::text), '-', now() - n * interval '1 second', now()
      FROM generate_series($1::int, $2::int) AS n
    RETURNING id
)
INSERT INTO user_activity (user_id, last_active_at)
SELECT id, now() - random() * interval '30 days' FROM made
"""

CALLS = {
    "list": "/admin/users?limit=50",
    "list by activity": "/admin/users?limit=50&sort=-last_active_at",
    "search": "/admin/users?limit=50&search=person777",
}


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with servers.keyfob(dsn, BCRYPT_COST=4) as ours:
        token = asyncio.run(_sign_in(ours.port))
        asyncio.run(_fill(dsn, 1, SMALL))
        small = {name: asyncio.run(_p50(ours.port, token, CALLS[name])) for name in CALLS}
        small["page"] = asyncio.run(_p50_of_pages(ours.port, token))
        asyncio.run(_fill(dsn, SMALL + 1, LARGE))
        large = {name: asyncio.run(_p50(ours.port, token, CALLS[name])) for name in CALLS}
        large["page"] = asyncio.run(_p50_of_pages(ours.port, token))
    for name, fast in small.items():
        report.add(
            f"admin {name}: p50 at {LARGE // 1000}k / at {SMALL // 1000}k users",
            [large[name] / fast],
            1.5,
            f"{fast * 1000:.2f} ms, then {large[name] * 1000:.2f} ms",
            at_most=True,
        )


async def _fill(dsn: str, first: int, last: int) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(_FILL, first, last)
    await connection.execute("VACUUM ANALYZE users")
    await connection.execute("VACUUM ANALYZE user_activity")
    await connection.close()


async def _sign_in(port: int) -> str:
    email, password = servers.ADMIN
    answer = await Connection(servers.HOST, port).send(
        request("POST", "/login", body={"email": email, "password": password})
    )
    token: str = answer.json()["access_token"]
    return token


async def _p50(port: int, token: str, path: str) -> float:
    connection = Connection(servers.HOST, port)
    wire = request("GET", path, token=token)
    return statistics.median([await _timed(connection, wire) for _ in range(60)])


async def _p50_of_pages(port: int, token: str) -> float:
    """Follow the links of a hundred pages and time each."""
    connection = Connection(servers.HOST, port)
    path, seen = "/admin/users?limit=50", []
    for _ in range(100):
        before = time.perf_counter()
        answer = await connection.send(request("GET", path, token=token))
        seen.append(time.perf_counter() - before)
        assert answer.status == 200, answer
        path = answer.link
    return statistics.median(seen)


async def _timed(connection: Connection, wire: bytes) -> float:
    before = time.perf_counter()
    answer = await connection.send(wire)
    assert answer.status == 200, answer
    return time.perf_counter() - before
