"""Keyfob and the contestants, started side by side on one PostgreSQL, each on its own database."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.harness import clients, servers
from bench.harness.cluster import Cluster
from bench.harness.figures import Report
from bench.harness.load import Client
from bench.harness.servers import Server
from bench.peers import field
from bench.peers.contestant import Contestant, Hashing, Unavailable
from bench.peers.people import People

COST = 12
OUR_HASH = f"bcrypt {COST}"
OURS = "Keyfob"

Settings = Mapping[str, object]

# As it comes, with bcrypt at 12 and no limits in the way.
AS_IT_COMES: Settings = {"BCRYPT_COST": COST, "LIMIT_REFRESH": "1000000/minute"}
# As one who compares rates would set it: with a queue that takes all, too.
TAKES_ALL: Settings = {**AS_IT_COMES, "HASHING_BUDGET": 30}
_CLIENTS: Mapping[str, Client] = {
    "register": clients.registers,
    "login": clients.logs_in,
    "refresh": clients.refreshes,
    "me": clients.asks_me,
}


@dataclass(frozen=True)
class Entrant:
    """A running contestant, or Keyfob; the name tells the hash where it is not its own."""

    name: str
    server: Server
    clients: Mapping[str, Client]
    own_hash: bool = True
    people: People | None = None


@contextlib.contextmanager
def keyfob(cluster: Cluster, settings: Settings = TAKES_ALL) -> Iterator[Entrant]:
    """Keyfob on a new database, over TCP as the contestants are."""
    cluster.create("keyfob")
    with keyfob_again(cluster, settings) as entrant:
        yield entrant


@contextlib.contextmanager
def keyfob_again(cluster: Cluster, settings: Settings = TAKES_ALL) -> Iterator[Entrant]:
    """Keyfob on the database that it had before."""
    with servers.keyfob(cluster.dsn("keyfob", tcp=True), **settings) as server:
        yield Entrant(OURS, server, _CLIENTS)


@contextlib.contextmanager
def contestant(
    peer: Contestant, cluster: Cluster, hashing: Hashing, report: Report
) -> Iterator[Entrant | None]:
    """One contestant, running; None where it cannot be had, and the report says why."""
    name = side_name(peer, hashing)
    with contextlib.ExitStack() as running:
        try:
            peer.install()
            server = running.enter_context(peer.start(cluster, hashing))
        except (Unavailable, RuntimeError, TimeoutError, OSError) as reason:
            report.without(name, f"{type(reason).__name__}: {reason}"[-600:])
            yield None
            return
        report.sides[name] = describe(peer, hashing)
        yield Entrant(name, server, peer.clients, hashing == "own", peer.people)


@contextlib.contextmanager
def all_running(
    cluster: Cluster, report: Report, hashings: Sequence[Hashing]
) -> Iterator[list[Entrant]]:
    """Keyfob and every contestant that can be had, all running, only one of them under load."""
    with contextlib.ExitStack() as running:
        ours = running.enter_context(keyfob(cluster))
        report.sides[OURS] = {"runtime": "Python", "hashing": OUR_HASH}
        entrants = [ours]
        for peer in peers(report):
            for hashing in hashings:
                entrant = running.enter_context(contestant(peer, cluster, hashing, report))
                if entrant is not None:
                    entrants.append(entrant)
        yield entrants


def peers(report: Report) -> list[Contestant]:
    """The contestants that are written; one that cannot be imported is told of."""
    found = []
    for name in field.names():
        try:
            found.append(field.load(name))
        except Exception as reason:  # noqa: BLE001 - one that is broken does not stop the others
            report.without(name, f"{type(reason).__name__}: {reason}")
    return found


def side_name(peer: Contestant, hashing: Hashing) -> str:
    """The name of a side in tables."""
    return peer.name if hashing == "own" else f"{peer.name}, {OUR_HASH}"


def describe(peer: Contestant, hashing: Hashing) -> dict[str, str]:
    """The facts about a side that a reader needs."""
    return {
        "version": peer.version,
        "runtime": peer.runtime,
        "hashing": peer.hashing if hashing == "own" else OUR_HASH,
        **{f"note on {scene}": note for scene, note in peer.notes.items()},
    }
