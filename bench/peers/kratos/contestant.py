"""Ory Kratos: built from its Go module, with passwords and its flows for apps."""

import contextlib
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from bench.harness import servers
from bench.harness.clients import PASSWORD
from bench.harness.cluster import HOST, Cluster, free_port
from bench.harness.load import Answer, Connection, Step, request
from bench.peers.contestant import Contestant, Hashing
from bench.peers.environment import new_database
from bench.peers.installed import INSTALLED, install_once, program, run
from bench.peers.steps import again, succeed

NAME = "kratos"
HERE = Path(__file__).parent
FOLDER = INSTALLED / NAME
COST = 12  # its own default and ours


def install() -> None:
    """Build it from the modules that go.mod and go.sum pin, which takes minutes.

    Raises:
        Unavailable: Go is missing, or a module cannot be had or built.
    """
    install_once(NAME, [HERE / name for name in ("main.go", "go.mod", "go.sum")], _put)


def _put(folder: Path) -> None:
    command = [program("go"), "build", "-mod=readonly", "-trimpath", "-o", str(folder / NAME), "."]
    run(command, HERE, {"CGO_ENABLED": "0"})


def _version() -> str:
    pinned = re.search(r"github.com/ory/kratos v([\d.]+)", (HERE / "go.mod").read_text())
    assert pinned
    return pinned[1]


@contextlib.contextmanager
def start(cluster: Cluster, _: Hashing) -> Iterator[servers.Server]:
    """Make its tables, then start it; its own hashing is ours: bcrypt, cost 12."""
    port = free_port()
    config = FOLDER / f"config-{port}.json"
    dsn = new_database(cluster, NAME) + "?sslmode=disable&max_conns=10&max_idle_conns=10"
    config.write_text(json.dumps(_configured(port, dsn)))
    kratos = str(FOLDER / NAME)
    try:
        run([kratos, "migrate", "sql", "--yes", "--config", str(config), dsn], FOLDER)
        command = [kratos, "serve", "--sqa-opt-out", "--config", str(config)]
        with servers.run(command, port, "/health/ready", {}) as server:
            yield server
    finally:
        config.unlink()


def _configured(port: int, dsn: str) -> dict[str, object]:
    schema = {"id": "default", "url": (HERE / "identity.schema.json").as_uri()}
    return {
        **json.loads((HERE / "config.json").read_text()),
        "dsn": dsn,
        "identity": {"default_schema_id": "default", "schemas": [schema]},
        "hashers": {"algorithm": "bcrypt", "bcrypt": {"cost": COST}},
        "secrets": {"default": [servers.SECRET]},
        "serve": {
            "public": {"host": HOST, "port": port, "base_url": f"http://{HOST}:{port}/"},
            "admin": {"host": HOST, "port": free_port()},
        },
    }


async def _flow(connection: Connection, kind: str, body: dict[str, object]) -> Answer:
    """Go through a flow: ask for one, which makes its row, and submit it."""
    begun = await succeed(connection, request("GET", f"/self-service/{kind}/api"))
    path = f"/self-service/{kind}?flow={begun.json()['id']}"
    wire = request("POST", path, body={"method": "password", "password": PASSWORD, **body})
    return await succeed(connection, wire, holds=b'"session_token":"')


async def _registered(connection: Connection) -> tuple[str, str]:
    """Register somebody new and return the address and the session's token."""
    email = f"{uuid.uuid4().hex}@example.com"
    answer = await _flow(connection, "registration", {"traits": {"email": email}})
    return email, answer.json()["session_token"]


async def registers(connection: Connection, _: int) -> Step:
    """Registers somebody new each time, which opens a session, too."""

    async def step() -> int:
        await _registered(connection)
        return 200

    return step


async def logs_in(connection: Connection, _: int) -> Step:
    """Signs in again and again as one user of its own."""
    email, _token = await _registered(connection)

    async def step() -> int:
        return (await _flow(connection, "login", {"identifier": email})).status

    return step


async def asks_for_session(connection: Connection, _: int) -> Step:
    """Asks whose session it is, by the session's token."""
    email, token = await _registered(connection)
    wire = request("GET", "/sessions/whoami", headers={"x-session-token": token})
    return again(connection, wire, holds=email.encode())


CONTESTANT = Contestant(
    name="Ory Kratos",
    version=_version(),
    runtime="Go",
    hashing="bcrypt (cost 12), which is ours, too",
    install=install,
    start=start,
    clients={"register": registers, "login": logs_in, "me": asks_for_session},
    notes={
        "register": "two requests, as its flows want; opens a session, too",
        "login": "two requests, as its flows want: the first writes a row for the second",
        "refresh": "it has no refresh tokens; a session is prolonged on its admin port",
        "me": "whoami: reads the session and the identity",
        "list": "only on its admin port, which the clients do not drive",
    },
)
