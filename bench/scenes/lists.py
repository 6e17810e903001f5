"""Admin list, page and search: latency at ten times as many users."""

import asyncio
import hashlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench.harness import figures, servers
from bench.harness.load import Connection, request
from bench.harness.population import Population, fill

SMALL, LARGE = Population(10_000), Population(100_000)
TABLE = "lists"
SETTINGS = {"BCRYPT_COST": 4, "LOG_LEVEL": "error"}
CALLS = {
    "admin list": "/admin/users?limit=50",
    "admin list by activity": "/admin/users?limit=50&sort=-last_active_at",
    "admin search": f"/admin/users?limit=50&search={hashlib.md5(b'4321').hexdigest()[:10]}",
    "admin page": "/admin/users?limit=50",
}
_PAGED = "admin page"
_TIMED = 60


@dataclass(frozen=True)
class Place:
    """A server over one population, and the token of who asks there."""

    port: int
    token: str
    users: int


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    larger = asyncio.run(_another_database(dsn))
    with servers.keyfob(dsn, **SETTINGS) as few, servers.keyfob(larger, **SETTINGS) as many:
        fill(dsn, SMALL)
        fill(larger, LARGE)
        places = [
            Place(few.port, admin_token(few.port), SMALL.users),
            Place(many.port, admin_token(many.port), LARGE.users),
        ]
        for name, path in CALLS.items():
            compare(report, name, path, places, rounds, 1.5)


def compare(
    report: figures.Report,
    name: str,
    path: str,
    places: Sequence[Place],
    rounds: int,
    bound: float,
) -> None:
    """Time a call at few users and at many, in turn; the line is their ratio."""
    few, many = places
    seen: dict[int, list[float]] = {place.users: [] for place in places}
    for _ in range(rounds):
        for place in places:
            seen[place.users].append(_p50(place, name, path) * 1000)
    for users, values in seen.items():
        report.figure(TABLE, name, "p50", "ms", values, at=users)
    at_few, at_many = seen.values()
    report.add(
        f"{name}: p50 at {_short(many.users)} / at {_short(few.users)} users",
        figures.ratios(at_many, at_few),
        bound,
        f"{min(at_few):.2f} ms, then {min(at_many):.2f} ms",
        at_most=True,
    )


def admin_token(port: int) -> str:
    """Sign the administrator in and return an access token."""
    email, password = servers.ADMIN
    wire = request("POST", "/login", body={"email": email, "password": password})
    answer = asyncio.run(Connection(servers.HOST, port).send(wire))
    token: str = answer.json()["access_token"]
    return token


def _p50(place: Place, name: str, path: str) -> float:
    return asyncio.run(_time(place, path, paged=name == _PAGED))


async def _time(place: Place, path: str, *, paged: bool) -> float:
    """Time sixty calls and return the median; paged ones follow the links of sixty pages."""
    connection = Connection(servers.HOST, place.port)
    seen = []
    for _ in range(_TIMED):
        wire = request("GET", path, token=place.token)
        before = time.perf_counter()
        answer = await connection.send(wire)
        seen.append(time.perf_counter() - before)
        assert answer.status == 200, answer
        if paged:
            path = answer.link
    connection.close()
    return statistics.median(seen)


def _short(users: int) -> str:
    return f"{users // 1_000_000}M" if users >= 1_000_000 else f"{users // 1000}k"


async def _another_database(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE DATABASE larger")
    await connection.close()
    return urlunsplit(urlsplit(dsn)._replace(path="/larger"))
