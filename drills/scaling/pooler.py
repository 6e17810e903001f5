"""PgBouncer in transaction mode between instances and PostgreSQL: what is heard, what it costs."""

import asyncio
import re
import statistics
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench.harness.clients import refreshes
from bench.harness.cluster import HOST, USER, Cluster, free_port, temporary
from bench.harness.figures import in_turn, ratios
from bench.harness.load import run_clients

from drills.harness.crowd import Size, crowd
from drills.harness.instances import instance
from drills.harness.judging import Story
from drills.harness.outcome import Outcome
from drills.harness.truth import lost_promises
from drills.scaling.fleet import fleet
from drills.scaling.programs import NotInstalled, adapted, find, running, scratch
from drills.scaling.revocation import LONGEST_LAG, late, slowest_revocation, told
from keyfob.devdb.programs import Account

# A crowd of many workers has to share few connections: that is what a pooler is for.
_CONNECTIONS = 4

_ROUNDS = 3
_REFRESHERS = 8


async def pgbouncer_listening(size: Size) -> Outcome:
    """Two instances through PgBouncer; they listen for revocations on a way past it."""
    return await _behind("which listen past it", size, direct=True)


async def pgbouncer_polling(size: Size) -> Outcome:
    """Two instances through PgBouncer, with no way past it: they poll for revocations."""
    return await _behind("which poll", size, direct=False)


async def pgbouncer_cost(size: Size) -> Outcome:
    """Refreshes through PgBouncer against refreshes without it, in turn."""
    try:
        with temporary() as cluster, _pgbouncer(cluster) as pooled:
            rates = await asyncio.to_thread(_rates, cluster, pooled, size)
    except NotInstalled as why:
        return Outcome(did="the cost of PgBouncer", unavailable=str(why))
    through, without = rates
    ratio = statistics.median(ratios(through, without))
    return Outcome(
        did=f"refreshed through PgBouncer and without it, {_REFRESHERS} clients in turn",
        notes=[f"through PgBouncer {ratio:.2f} of the rate without it"],
        figures={
            "ratio": ratio,
            "through": statistics.median(through),
            "without": statistics.median(without),
        },
    )


async def _behind(how: str, size: Size, *, direct: bool) -> Outcome:
    story = Story(
        f"two instances through PgBouncer with {_CONNECTIONS} connections, {how}",
        size,
        may_refuse=False,
        must_refuse=False,
    )
    try:
        with temporary() as cluster, _pgbouncer(cluster) as pooled:
            settings = _settings(cluster) if direct else {"DATABASE_POOLER": _mode()}
            async with fleet(pooled, 2, **settings) as members:
                ports = [member.port for member in members]
                async with crowd(story.ledger, ports, size.clients) as people:
                    await people.acknowledged(size.requests)
                await asyncio.sleep(LONGEST_LAG)  # the last logouts may take so long to be heard
                lost = await lost_promises(story.ledger, cluster.dsn(), ports[0])
                lag = await slowest_revocation(ports)
            backends = int(cluster.sql(_MOST_BACKENDS))
    except NotInstalled as why:
        return Outcome(did=story.did, unavailable=str(why))
    if backends > _CONNECTIONS:
        story.unexpected.append(f"{backends} connections of {_CONNECTIONS}")
    story.notes.append(told(lag))
    story.late += late(lag)
    return story.outcome(lost)


# The pooler's own, which stay open; the instances have ended and taken theirs with them.
_MOST_BACKENDS = """
    SELECT count(*) FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def _settings(cluster: Cluster) -> Mapping[str, object]:
    return {"DATABASE_POOLER": _mode(), "DATABASE_DIRECT_URL": cluster.dsn()}


def _mode() -> str:
    """`prepared` where this PgBouncer keeps prepared statements (1.21 and newer)."""
    said = subprocess.run(
        [find("pgbouncer", "pgbouncer"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    version = re.search(r"(\d+)\.(\d+)", said)
    new = version is not None and (int(version[1]), int(version[2])) >= (1, 21)
    return "prepared" if new else "transaction"


@contextmanager
def _pgbouncer(cluster: Cluster) -> Iterator[str]:
    """The example of docs/scaling before a cluster; gives the URL of Keyfob's database there."""
    program, port = find("pgbouncer", "pgbouncer"), free_port()
    changes = {
        "keyfob = host=10.0.0.21 port=5432 dbname=keyfob": (
            f"postgres = host={HOST} port={cluster.port} user={USER}"
        ),
        "listen_addr = 0.0.0.0": f"listen_addr = {HOST}",
        "listen_port = 6432": f"listen_port = {port}\nunix_socket_dir =",
        "auth_type = scram-sha-256\nauth_file = /etc/pgbouncer/userlist.txt": "auth_type = any",
        "default_pool_size = 20": f"default_pool_size = {_CONNECTIONS}",
        "max_client_conn = 5000": "max_client_conn = 500",
    }
    if _mode() == "prepared":
        changes[";max_prepared_statements"] = "max_prepared_statements"
    account = Account.for_cluster(cluster.data)
    with scratch() as folder:
        (folder / "pgbouncer.ini").write_text(adapted("pgbouncer.ini", changes))
        user = account.uid if account.borrowed else None
        with running([program, "pgbouncer.ini"], folder, port, user=user):
            yield f"postgresql://{USER}@{HOST}:{port}/postgres"


def _rates(cluster: Cluster, pooled: str, size: Size) -> list[list[float]]:
    """Return the refreshes per second of each round: through the pooler, and without it."""
    seconds = max(2.0, size.after_seconds)
    with (
        instance(pooled, **_settings(cluster)) as through,
        instance(cluster.dsn(tcp=True)) as without,
    ):
        return in_turn(
            _ROUNDS,
            lambda: run_clients(HOST, through.port, refreshes, _REFRESHERS, seconds).rate,
            lambda: run_clients(HOST, without.port, refreshes, _REFRESHERS, seconds).rate,
        )
