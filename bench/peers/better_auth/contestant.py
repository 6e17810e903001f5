"""better-auth: how it is started, and how its clients speak to it."""

import contextlib
import uuid
from collections.abc import Iterator
from http.cookies import SimpleCookie

from bench.harness import servers
from bench.harness.clients import PASSWORD
from bench.harness.cluster import Cluster, free_port
from bench.harness.load import Answer, Connection, request
from bench.peers.contestant import Contestant, Hashing
from bench.peers.environment import new_database
from bench.peers.installed import Packages, program, run
from bench.peers.steps import Step, again, succeed

PACKAGES = Packages("better_auth")
ORIGIN = "http://bench"


@contextlib.contextmanager
def start(cluster: Cluster, hashing: Hashing) -> Iterator[servers.Server]:
    port = free_port()
    environment = {
        "DATABASE_URL": new_database(cluster, PACKAGES.name),
        "HASHING": hashing,
        "NODE_ENV": "production",
        "PORT": str(port),
        "SECRET": servers.SECRET,
    }
    command = [program("node"), str(PACKAGES.folder / "server.mjs")]
    run([*command, "migrate"], PACKAGES.folder, environment)
    with servers.run(command, port, "/ready", environment) as server:
        yield server


async def registers(connection: Connection, _: int) -> Step:
    """Registers somebody new each time; its answer carries a session."""

    async def step() -> int:
        _email, answer = await _registered(connection)
        return answer.status

    return step


async def logs_in(connection: Connection, _: int) -> Step:
    """Signs in again and again as one user of its own."""
    email, _answer = await _registered(connection)
    wire = request("POST", "/api/auth/sign-in/email", body={"email": email, "password": PASSWORD})
    return again(connection, wire, holds=b'"token":"')


async def asks_for_session(connection: Connection, _: int) -> Step:
    """Asks for session and user by the session's cookie, as an app does at each request."""
    headers = await _session(connection)
    wire = request("GET", "/api/auth/get-session", headers=headers)
    return again(connection, wire, holds=b'"expiresAt":')


async def extends_session(connection: Connection, _: int) -> Step:
    """Extends a session of its own."""
    headers = {**await _session(connection), "origin": ORIGIN, "content-length": "0"}
    wire = request("POST", "/api/auth/get-session", headers=headers)
    first, second = [await succeed(connection, wire) for _ in range(2)]
    assert second.json()["session"]["expiresAt"] > first.json()["session"]["expiresAt"]
    return again(connection, wire, holds=b'"expiresAt":')


async def _registered(connection: Connection) -> tuple[str, Answer]:
    email = f"{uuid.uuid4().hex}@example.com"
    body = {"name": "Ada", "email": email, "password": PASSWORD}
    wire = request("POST", "/api/auth/sign-up/email", body=body)
    return email, await succeed(connection, wire, holds=email.encode())


async def _session(connection: Connection) -> dict[str, str]:
    """Register somebody new and return the header with the session's cookie."""
    _email, answer = await _registered(connection)
    cookies: SimpleCookie = SimpleCookie()
    for line in answer.head.decode().split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "set-cookie":
            cookies.load(value)
    return {"cookie": "; ".join(f"{item.key}={item.coded_value}" for item in cookies.values())}


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
    },
    notes={
        "register": "opens a session too",
        "refresh": "it has no refresh tokens: a POST of get-session that extends the session's "
        "row (read, then update); nothing rotates and reuse is not detected",
        "me": "get-session by cookie: reads the rows of session and user (no cookie cache, which "
        "would answer revoked sessions until it ends)",
    },
)
