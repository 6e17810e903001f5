"""Lists for administrators, in the field: the first page, all pages in turn, and search.

At ten thousand and at a hundred thousand users, by one client at a time. Search is for a part of an
address that one user has, where the contestant can look for a part.
"""

import contextlib
from collections.abc import Iterator, Sequence

from bench.harness import cluster, entrants, figures, servers, sides
from bench.harness.cluster import Cluster
from bench.harness.entrants import Entrant
from bench.harness.load import Client, Connection, Step, request
from bench.harness.population import Population, fill
from bench.peers.people import BEGINNING, FILLED, PAGE, PART
from bench.peers.steps import again, pages_by_link, succeed

SIZES = (FILLED, 100_000)
ACTIONS = ("list", "page", "search")
_CLIENTS = (1,)


def table_of(action: str, users: int) -> str:
    """The name of the figures of an action at a number of users."""
    return f"{action}, {users:,} users"


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    for users in SIZES:
        with contextlib.ExitStack() as running:
            postgres = running.enter_context(cluster.temporary())
            entered = running.enter_context(entrants.all_running(postgres, report, ("own",)))
            able = [(entrant, _filled(entrant, postgres, users)) for entrant in entered]
            for action in ACTIONS:
                asked = running.enter_context(_asked(report, able, action, postgres))
                table = table_of(action, users)
                sides.in_turn(report, table, asked, _CLIENTS, rounds, seconds)


def _filled(entrant: Entrant, postgres: Cluster, users: int) -> dict[str, Client]:
    """Bring it to that many users; return its clients that ask for lists."""
    if entrant.name == entrants.OURS:
        fill(postgres.dsn("keyfob"), Population(users))
        return {"list": lists, "page": pages, "search": searches}
    if entrant.people and users > FILLED:
        entrant.people.fill(postgres, FILLED + 1, users)
    return {action: entrant.clients[action] for action in ACTIONS if action in entrant.clients}


@contextlib.contextmanager
def _asked(
    report: figures.Report,
    able: Sequence[tuple[Entrant, dict[str, Client]]],
    action: str,
    postgres: Cluster,
) -> Iterator[list[sides.Side]]:
    with contextlib.ExitStack() as running:
        asked = []
        for entrant, clients in able:
            if action not in clients:
                why = report.sides[entrant.name].get("note on list", "it has none")
                report.without(f"{entrant.name}: {action}", why)
                continue
            # A token may live for less than the rounds take.
            side = sides.over_http(
                entrant.name, entrant.server, clients[action], postgres, expires=True
            )
            asked.append(running.enter_context(side))
        yield asked


async def _signed_in(connection: Connection) -> str:
    email, password = servers.ADMIN
    body = {"email": email, "password": password}
    answer = await succeed(connection, request("POST", "/login", body=body))
    token: str = answer.json()["access_token"]
    return token


async def lists(connection: Connection, _: int) -> Step:
    """Lists the first users at Keyfob."""
    wire = request("GET", f"/admin/users?limit={PAGE}", token=await _signed_in(connection))
    return again(connection, wire, holds=b'"email":')


async def pages(connection: Connection, _: int) -> Step:
    """Lists one page of users after the other at Keyfob."""
    token = await _signed_in(connection)
    return pages_by_link(
        connection,
        f"/admin/users?limit={PAGE}",
        lambda path: request("GET", path, token=token),
        holds=b'"email":',
    )


async def searches(connection: Connection, _: int) -> Step:
    """Searches for a part of an address at Keyfob; one user has it."""
    path = f"/admin/users?limit={PAGE}&search={PART}"
    wire = request("GET", path, token=await _signed_in(connection))
    return again(connection, wire, holds=BEGINNING.encode())
