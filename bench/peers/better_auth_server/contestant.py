"""better-auth-server: the Python port of better-auth, on FastAPI and SQLAlchemy."""

import asyncio
import contextlib
import hashlib
import re
import uuid
from collections.abc import Iterator

import asyncpg

from bench.harness import servers
from bench.harness.clients import PASSWORD
from bench.harness.cluster import HOST, Cluster, free_port
from bench.harness.load import Answer, Connection, Step, request
from bench.peers.contestant import Contestant, Hashing, Unavailable
from bench.peers.environment import Environment, new_database, serve_asgi
from bench.peers.steps import again, succeed

ENVIRONMENT = Environment("better_auth_server")
FILLED = 10_000
_SESSION = b'"session":{'

_FILL = """
INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt", role)
SELECT md5(n || ''), 'Somebody', md5(n || '') || '@example.com', true, now(), now(), 'user'
  FROM generate_series(1, $1::int) AS n
"""


@contextlib.contextmanager
def start(cluster: Cluster, hashing: Hashing) -> Iterator[servers.Server]:
    """Start it with one admin and `FILLED` other users."""
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
        asyncio.run(_populate(port, dsn))
        yield server


async def _populate(port: int, dsn: str) -> None:
    email, password = servers.ADMIN
    connection = Connection(HOST, port)
    await succeed(connection, _sign_up("/with-admin", email, password))
    connection.close()
    database = await asyncpg.connect(dsn)
    await database.execute(_FILL, FILLED)
    await database.execute("""UPDATE "user" SET role = 'admin' WHERE email = $1""", email)
    await database.execute('VACUUM ANALYZE "user"')
    await database.close()


def _sign_up(mount: str, email: str, password: str = PASSWORD) -> bytes:
    body = {"name": "Somebody", "email": email, "password": password}
    return request("POST", f"{mount}/sign-up/email", body=body)


async def _registered(connection: Connection, mount: str) -> tuple[str, Answer]:
    """Register somebody new; return the address and the answer, with token and cookies."""
    email = f"{uuid.uuid4().hex}@example.com"
    return email, await succeed(connection, _sign_up(mount, email), holds=b'"token":"')


async def registers(connection: Connection, _: int) -> Step:
    """Registers somebody new each time, which signs in, too."""

    async def step() -> int:
        return (await _registered(connection, "/api/auth"))[1].status

    return step


async def logs_in(connection: Connection, _: int) -> Step:
    """Signs in again and again as one user of its own."""
    email, _answer = await _registered(connection, "/api/auth")
    body = {"email": email, "password": PASSWORD}
    wire = request("POST", "/api/auth/sign-in/email", body=body)
    return again(connection, wire, holds=b'"token":"')


async def refreshes(connection: Connection, _: int) -> Step:
    """Asks for its session where each asking prolongs it."""
    _email, answer = await _registered(connection, "/sliding")
    wire = request("GET", "/sliding/get-session", token=answer.json()["token"])
    first, second = [(await succeed(connection, wire)).json() for _ in range(2)]
    assert first["session"]["expiresAt"] < second["session"]["expiresAt"], "not prolonged"
    return again(connection, wire, holds=_SESSION)


async def asks_me(connection: Connection, _: int) -> Step:
    """Asks for its session, by the session's token."""
    _email, answer = await _registered(connection, "/api/auth")
    wire = request("GET", "/api/auth/get-session", token=answer.json()["token"])
    return again(connection, wire, holds=_SESSION)


async def asks_me_cached(connection: Connection, _: int) -> Step:
    """Asks for its session with the cookies of a browser, one of which holds it, signed."""
    _email, answer = await _registered(connection, "/cached")
    pairs = re.findall(rb"(?im)^set-cookie: ([^=]+=[^;]+);", answer.head)
    assert any(b"session_data" in pair for pair in pairs), answer.head
    cookie = b"; ".join(pairs).decode()
    wire = request("GET", "/cached/get-session", headers={"cookie": cookie})
    return again(connection, wire, holds=_SESSION)


async def _as_admin(connection: Connection, query: str, *, holds: bytes) -> Step:
    email, password = servers.ADMIN
    body = {"email": email, "password": password}
    answer = await succeed(connection, request("POST", "/with-admin/sign-in/email", body=body))
    wire = request("GET", f"/with-admin/admin/list-users?{query}", token=answer.json()["token"])
    return again(connection, wire, holds=holds)


async def lists(connection: Connection, _: int) -> Step:
    """Lists the first 50 users, as admin."""
    return await _as_admin(connection, "limit=50", holds=b'"email":')


async def searches(connection: Connection, _: int) -> Step:
    """Searches for a part of an address, as admin; one user has it."""
    part = hashlib.md5(b"4321").hexdigest()[5:15]
    return await _as_admin(connection, f"limit=50&searchValue={part}", holds=b'"total":1,')


CONTESTANT = Contestant(
    name="better-auth-server",
    version=ENVIRONMENT.version("better-auth-server"),
    runtime="Python",
    hashing="scrypt (N 16384, r 16, p 1), on the event loop",
    install=ENVIRONMENT.install,
    start=start,
    clients={
        "register": registers,
        "login": logs_in,
        "refresh": refreshes,
        "me": asks_me,
        "me, cached": asks_me_cached,
        "list": lists,
        "search": searches,
    },
    notes={
        "register": "signs in, too",
        "refresh": "the session check where each prolongs the session (update_age=0); the token "
        "stays the same. By default a session is prolonged once a day",
        "me": "get-session: reads the session's row and the user's",
        "me, cached": "the same from a signed cookie of 5 minutes, in which a revoked session "
        "still counts",
        "list": f"over {FILLED} users; counts them all each time",
        "search": f"part of an address among {FILLED} users, by reading them all",
    },
)
