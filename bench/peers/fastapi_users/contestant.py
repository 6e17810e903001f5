"""fastapi-users: routes for FastAPI, with a JWT and SQLAlchemy."""

import contextlib
import uuid
from collections.abc import Iterator

from bench.harness import servers
from bench.harness.clients import PASSWORD
from bench.harness.cluster import Cluster, free_port
from bench.harness.load import Connection, Step, request
from bench.peers.contestant import Contestant, Hashing
from bench.peers.environment import Environment, new_database, serve_asgi
from bench.peers.steps import Anew, again, succeed

ENVIRONMENT = Environment("fastapi_users")


@contextlib.contextmanager
def start(cluster: Cluster, hashing: Hashing) -> Iterator[servers.Server]:
    dsn = new_database(cluster, ENVIRONMENT.name)
    port = free_port()
    environment = {
        "PYTHONPATH": "",
        "DATABASE_URL": dsn.replace("postgresql:", "postgresql+asyncpg:"),
        "SECRET": servers.SECRET,
        "HASHING": hashing,
    }
    with servers.run(serve_asgi(ENVIRONMENT, port), port, "/docs", environment) as server:
        yield server


async def _register(connection: Connection) -> str:
    email = f"{uuid.uuid4().hex}@example.com"
    body = {"email": email, "password": PASSWORD}
    wire = request("POST", "/auth/register", body=body)
    await succeed(connection, wire, status=201)
    return email


def _login(email: str) -> bytes:
    form = {"username": email, "password": PASSWORD}
    return request("POST", "/auth/jwt/login", form=form)


async def logs_in(connection: Connection, _: int) -> Step:
    """Signs in again and again as one user of its own."""
    wire = _login(await _register(connection))
    return again(connection, wire, holds=b'"access_token":"')


async def asks_me(connection: Connection, _: int) -> Step:
    """Asks who it is, with one token."""
    email = await _register(connection)
    answer = await succeed(connection, _login(email))
    wire = request("GET", "/users/me", token=answer.json()["access_token"])
    return again(connection, wire, holds=email.encode())


CONTESTANT = Contestant(
    name="fastapi-users",
    version=ENVIRONMENT.version("fastapi-users"),
    runtime="Python",
    hashing="argon2id (64 MiB, 3 passes, 4 lanes), on the event loop",
    install=ENVIRONMENT.install,
    start=start,
    clients={"register": Anew(_register), "login": logs_in, "me": asks_me},
    notes={
        "register": "gives no token",
        "login": "opens no session: writes nothing",
        "refresh": "it has none: the token lives for an hour, then the password is asked again",
        "me": "verifies the token (HS256) and reads the user's row",
        "list": "it has none",
    },
)
