"""better-auth-server: the Python port of better-auth, on FastAPI and SQLAlchemy."""

import asyncio
import contextlib
from collections.abc import Iterator

import asyncpg

from bench.harness import servers
from bench.harness.cluster import HOST, Cluster, free_port
from bench.harness.load import Connection
from bench.peers.better_auth_clients import CLIENTS, NOTES, people, sign_up
from bench.peers.contestant import Contestant, Hashing, Unavailable
from bench.peers.environment import Environment, new_database, serve_asgi
from bench.peers.steps import succeed

ENVIRONMENT = Environment("better_auth_server")
PEOPLE = people(ENVIRONMENT.name)


@contextlib.contextmanager
def start(cluster: Cluster, hashing: Hashing) -> Iterator[servers.Server]:
    """Start it with one admin and its people."""
    if hashing == "ours":
        raise Unavailable("it hashes with scrypt of fixed cost, and has no setting for another")
    dsn = new_database(cluster, ENVIRONMENT.name)
    port = free_port()
    environment = {
        "PYTHONPATH": "",
        "DATABASE_URL": dsn.replace("postgresql:", "postgresql+asyncpg:"),
        "SECRET": servers.SECRET,
    }
    command = serve_asgi(ENVIRONMENT, port)
    with servers.run(command, port, "/api/auth/ok", environment) as server:
        asyncio.run(_make_admin(port, dsn))
        PEOPLE.fill(cluster)
        yield server


async def _make_admin(port: int, dsn: str) -> None:
    connection = Connection(HOST, port)
    await succeed(connection, sign_up("/with-admin", *servers.ADMIN))
    connection.close()
    database = await asyncpg.connect(dsn)
    await database.execute("""UPDATE "user" SET role = 'admin'""")
    await database.close()


CONTESTANT = Contestant(
    name="better-auth-server",
    version=ENVIRONMENT.version("better-auth-server"),
    runtime="Python",
    hashing="scrypt (N 16384, r 16, p 1), on the event loop",
    install=ENVIRONMENT.install,
    start=start,
    clients=CLIENTS,
    people=PEOPLE,
    notes=NOTES,
)
