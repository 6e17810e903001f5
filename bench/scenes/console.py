"""The console at a million users: CPU of the server for a list, and refreshes while somebody pages.

The administrator reads a page a second, for minutes, as one does who looks for somebody. Others
refresh, a hundred a second, each after the answer to its own last one; without and with the
administrator in turn.
"""

import asyncio
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from bench.harness import cluster, figures, servers
from bench.harness.arrivals import Told
from bench.harness.browsing import LIST, Browser, administrator, pages_through_users
from bench.harness.clients import refreshes
from bench.harness.crew import Crew, crew
from bench.harness.load import Connection
from bench.harness.population import Population, fill
from bench.scenes.pages import cpu_of_page, tell_cost

USERS = 1_000_000
TRIAL = 100_000  # of a run of less than two seconds a side
TABLE = "console"
_PAGES_A_SECOND = 1
_REFRESHES_A_SECOND, _PEOPLE = 100, 32
_ROOM = 5  # a side takes so many times the seconds of a round: a 99th percentile needs many

LISTS = {
    "newest": "",
    "by activity": "?sort=-last_active_at",
    "by address": "?sort=email",
    "search": "?search=4711",
    "search of two letters": "?search=ab",
    "moderators": "?role=moderator",
    "blocked": "?status=blocked",
    "not confirmed": "?verified=false",
    "with a passkey": "?factor=passkey",
    "nobody: blocked administrators": "?role=admin&status=blocked",
    "nobody: not confirmed, with an app": "?verified=false&factor=totp",
    "nobody: search with no hit": "?search=zzzzzz",
    "nobody: search and blocked": "?search=ab&status=blocked",
    "nobody: blocked, by activity": "?status=blocked&sort=last_active_at",
}
_SLOWEST = 500  # ms, of any list


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    users = USERS if seconds >= 2 else TRIAL
    settings = {"BCRYPT_COST": 4, "LOG_LEVEL": "error"}
    with cluster.temporary({"max_wal_size": "8GB", "checkpoint_timeout": "15min"}) as postgres:
        dsn = postgres.create("many")
        with servers.keyfob(dsn, **settings):
            pass  # migrates
        fill(dsn, Population(users))
        with servers.keyfob(dsn, **settings) as server:
            asyncio.run(_read_lists(report, server, rounds, seconds))
            _refresh_beside(report, server, rounds, seconds)


async def _read_lists(
    report: figures.Report, server: servers.Server, rounds: int, seconds: float
) -> None:
    connection = Connection(servers.HOST, server.port)
    reader = await administrator(connection)
    costs = [await cpu_of_page(server, reader, LIST, seconds) for _ in range(rounds)]
    tell_cost(report, "list of 25 users of a million", costs, 5)
    medians = {}
    for name, query in LISTS.items():
        seen = [await _time(reader, LIST + query) for _ in range(rounds)]
        report.figure(TABLE, name, "time", "ms", seen)
        medians[name] = statistics.median(seen)
    slowest = max(medians, key=lambda name: medians[name])
    report.add(
        f"the slowest of {len(LISTS)} lists of a million users",
        [medians[slowest]],
        _SLOWEST,
        slowest,
        at_most=True,
        unit=" ms",
        noise=figures.NOISE_OF_TAILS,
    )
    connection.close()


async def _time(reader: Browser, path: str) -> float:
    """Read a list; return how long it takes, in ms."""
    started = time.perf_counter()
    answer = await reader.get(path)
    assert answer.status == 200, (path, answer)
    return (time.perf_counter() - started) * 1000


def _refresh_beside(
    report: figures.Report, server: servers.Server, rounds: int, seconds: float
) -> None:
    with (
        crew(servers.HOST, server.port, refreshes) as people,
        crew(servers.HOST, server.port, pages_through_users) as admin,
    ):
        people.gather(_PEOPLE)
        admin.gather(1)
        _refresh_while_paging(people, admin, seconds)  # unmeasured
        calm, beside = figures.in_turn(
            rounds,
            lambda: _refresh(people, _ROOM * seconds),
            lambda: _refresh_while_paging(people, admin, _ROOM * seconds),
        )
    before, after = (
        [told.percentile(200, 0.99) * 1000 for told in side] for side in (calm, beside)
    )
    for side, seen in (("in calm", calm), ("while an administrator pages", beside)):
        for share in (0.5, 0.99):
            values = [told.percentile(200, share) * 1000 for told in seen]
            report.figure(TABLE, f"refresh {side}", f"p{share * 100:g}", "ms", values)
    report.add(
        "refresh while an administrator pages through a million users / in calm, p99",
        figures.ratios(after, before),
        1.1,
        f"{min(after):.1f} to {max(after):.1f} ms, calm {min(before):.1f} to {max(before):.1f}; "
        f"{_REFRESHES_A_SECOND} refreshes and {_PAGES_A_SECOND} page a second",
        at_most=True,
        noise=figures.NOISE_OF_TAILS,
    )


def _refresh(people: Crew, seconds: float) -> Told:
    return people.arrive(_REFRESHES_A_SECOND, seconds, one_at_a_time=True)


def _refresh_while_paging(people: Crew, admin: Crew, seconds: float) -> Told:
    with ThreadPoolExecutor(1) as thread:
        paging = thread.submit(admin.arrive, _PAGES_A_SECOND, seconds, one_at_a_time=True)
        told = _refresh(people, seconds)
        read = paging.result()
    assert read.share(200) == 1, read.answers
    return told
