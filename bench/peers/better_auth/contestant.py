"""better-auth: how it is started, and how its clients speak to it."""

import asyncio
import contextlib
import hashlib
import re
import uuid
from collections.abc import Iterator

import asyncpg

from bench.harness import servers
from bench.harness.clients import PASSWORD
from bench.harness.cluster import Cluster, free_port
from bench.harness.load import Answer, Connection, Step, request
from bench.peers.contestant import Contestant, Hashing
from bench.peers.environment import new_database
from bench.peers.installed import Packages, program, run
from bench.peers.steps import again, succeed

PACKAGES = Packages("better_auth")
FILLED = 10_000
_SESSION = b'"expiresAt":'

_FILL = """
INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt", role)
SELECT md5(n || ''), 'Somebody', md5(n || '') || '@example.com', true, now(), now(), 'user'
  FROM generate_series(1, $1::int) AS n
"""


@contextlib.contextmanager
def start(cluster: Cluster, hashing: Hashing) -> Iterator[servers.Server]:
    """Make its tables and start it, with one admin and `FILLED` other users."""
    port = free_port()
    dsn = new_database(cluster, PACKAGES.name)
    environment = {
        "ADMIN_EMAIL": servers.ADMIN[0],
        "ADMIN_PASSWORD": servers.ADMIN[1],
        "DATABASE_URL": dsn,
        "HASHING": hashing,
        "NODE_ENV": "production",
        "PORT": str(port),
        "SECRET": servers.SECRET,
    }
    command = [program("node"), str(PACKAGES.folder / "server.mjs")]
    run([*command, "migrate"], PACKAGES.folder, environment)
    asyncio.run(_fill(dsn))
    with servers.run(command, port, "/ready", environment) as server:
        yield server


async def _fill(dsn: str) -> None:
    database = await asyncpg.connect(dsn)
    await database.execute(_FILL, FILLED)
    await database.execute('VACUUM ANALYZE "user"')
    await database.close()


def _sign_in(mount: str, email: str, password: str = PASSWORD) -> bytes:
    return request("POST", f"{mount}/sign-in/email", body={"email": email, "password": password})


async def _registered(connection: Connection, mount: str) -> tuple[str, Answer]:
    """Register somebody new; return the address and the answer, with the session's cookies."""
    email = f"{uuid.uuid4().hex}@example.com"
    body = {"name": "Somebody", "email": email, "password": PASSWORD}
    wire = request("POST", f"{mount}/sign-up/email", body=body)
    return email, await succeed(connection, wire, holds=b'"token":"')


def _cookies(answer: Answer) -> dict[str, str]:
    """Return the header that sends the cookies of an answer back."""
    pairs = re.findall(rb"(?im)^set-cookie: ([^=]+=[^;]+);", answer.head)
    return {"cookie": b"; ".join(pairs).decode()}


async def registers(connection: Connection, _: int) -> Step:
    """Registers somebody new each time, which signs in, too."""

    async def step() -> int:
        return (await _registered(connection, "/api/auth"))[1].status

    return step


async def logs_in(connection: Connection, _: int) -> Step:
    """Signs in again and again as one user of its own."""
    email, _answer = await _registered(connection, "/api/auth")
    return again(connection, _sign_in("/api/auth", email), holds=b'"token":"')


async def _asks(connection: Connection, mount: str) -> bytes:
    """Write the request for a session of its own, by its cookies."""
    _email, answer = await _registered(connection, mount)
    return request("GET", f"{mount}/get-session", headers=_cookies(answer))


async def asks_for_session(connection: Connection, _: int) -> Step:
    """Asks for its session and user, as an app does at each request."""
    return again(connection, await _asks(connection, "/api/auth"), holds=_SESSION)


async def asks_for_cached_session(connection: Connection, _: int) -> Step:
    """Asks for its session, which one of its cookies holds, signed."""
    wire = await _asks(connection, "/cached")
    assert b"session_data=" in wire, wire
    return again(connection, wire, holds=_SESSION)


async def extends_session(connection: Connection, _: int) -> Step:
    """Asks for its session where each asking prolongs it."""
    wire = await _asks(connection, "/sliding")
    first, second = [(await succeed(connection, wire)).json() for _ in range(2)]
    assert first["session"]["expiresAt"] < second["session"]["expiresAt"], "not prolonged"
    return again(connection, wire, holds=_SESSION)


async def _as_admin(connection: Connection, query: str, *, holds: bytes) -> Step:
    answer = await succeed(connection, _sign_in("/with-admin", *servers.ADMIN))
    path = f"/with-admin/admin/list-users?{query}"
    wire = request("GET", path, headers=_cookies(answer))
    return again(connection, wire, holds=holds)


async def lists(connection: Connection, _: int) -> Step:
    """Lists the first 50 users, as admin."""
    return await _as_admin(connection, "limit=50", holds=b'"email":')


async def searches(connection: Connection, _: int) -> Step:
    """Searches for a part of an address, as admin; one user has it."""
    part = hashlib.md5(b"4321").hexdigest()[5:15]
    query = f"limit=50&searchField=email&searchOperator=contains&searchValue={part}"
    return await _as_admin(connection, query, holds=b'"total":1')


CONTESTANT = Contestant(
    name="better-auth",
    version=PACKAGES.version("better-auth"),
    runtime="Node",
    hashing="scrypt (N=16384, r=16, p=1)",
    install=PACKAGES.install,
    start=start,
    clients={
        "register": registers,
        "login": logs_in,
        "refresh": extends_session,
        "me": asks_for_session,
        "me, cached": asks_for_cached_session,
        "list": lists,
        "search": searches,
    },
    notes={
        "register": "signs in, too",
        "refresh": "it has no refresh tokens: the session check where each prolongs the session "
        "(updateAge 0); the token stays the same. By default a session is prolonged once a day",
        "me": "get-session: reads the session's row and the user's",
        "me, cached": "the same from a signed cookie of 5 minutes, in which a revoked session "
        "still counts",
        "list": f"over {FILLED} users; counts them all each time",
        "search": f"part of an address among {FILLED} users, by reading them all",
    },
)
