"""Ory Kratos: built from its Go module, with passwords and its flows for apps."""

import contextlib
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from bench.harness import servers
from bench.harness.clients import PASSWORD
from bench.harness.cluster import HOST, Cluster
from bench.harness.load import Answer, Connection, Step, request
from bench.peers.contestant import Contestant, Hashing
from bench.peers.environment import new_database
from bench.peers.installed import INSTALLED, install_once, program, run
from bench.peers.people import BEGINNING, PAGE, SOMEBODY, People
from bench.peers.ports import admin_port, free_pair
from bench.peers.steps import Anew, again, pages_by_link, succeed

NAME = "kratos"
HERE = Path(__file__).parent
FOLDER = INSTALLED / NAME
COST = 12  # its own default and ours
ADMIN = "/admin/identities"

# All have one password hash, which nobody signs in with.
_INSERT = """
WITH made AS (
    INSERT INTO identities (id, schema_id, traits, created_at, updated_at, nid, state,
                            state_changed_at, available_aal)
    SELECT gen_random_uuid(), 'default', jsonb_build_object('email', address),
           now(), now(), networks.id, 'active', now(), 'aal1'
      FROM generate_series($1::int, $2::int) AS n,
           LATERAL (SELECT md5(n || '') || '@example.com' AS address) AS a,
           networks
    RETURNING id, nid, traits ->> 'email' AS email
), secrets AS (
    INSERT INTO identity_credentials (id, config, identity_credential_type_id, identity_id,
                                      created_at, updated_at, nid)
    SELECT gen_random_uuid(), '{"hashed_password": "-"}', type.id, made.id, now(), now(), made.nid
      FROM made, identity_credential_types AS type
     WHERE type.name = 'password'
    RETURNING id, identity_id, identity_credential_type_id AS type_id, nid
)
INSERT INTO identity_credential_identifiers (id, identifier, identity_credential_id, created_at,
                                             updated_at, nid, identity_credential_type_id)
SELECT gen_random_uuid(), made.email, secrets.id, now(), now(), secrets.nid, secrets.type_id
  FROM secrets JOIN made ON made.id = secrets.identity_id
"""
PEOPLE = People(
    NAME, _INSERT, ("identities", "identity_credentials", "identity_credential_identifiers")
)


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
    port = free_pair()
    config = FOLDER / f"config-{port}.json"
    dsn = new_database(cluster, NAME) + "?sslmode=disable&max_conns=10&max_idle_conns=10"
    config.write_text(json.dumps(_configured(port, dsn)))
    kratos = str(FOLDER / NAME)
    try:
        run([kratos, "migrate", "sql", "--yes", "--config", str(config), dsn], FOLDER)
        command = [kratos, "serve", "--sqa-opt-out", "--config", str(config)]
        with servers.run(command, port, "/health/ready", {}) as server:
            PEOPLE.fill(cluster)
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
            "admin": {"host": HOST, "port": admin_port(port)},
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


def _as_admin(connection: Connection) -> Connection:
    return Connection(connection.host, admin_port(connection.port))


async def lists(connection: Connection, _: int) -> Step:
    """Lists the first identities."""
    wire = request("GET", f"{ADMIN}?page_size={PAGE}")
    return again(_as_admin(connection), wire, holds=b'"email":')


async def pages(connection: Connection, _: int) -> Step:
    """Lists one page of identities after the other."""
    return pages_by_link(
        _as_admin(connection),
        f"{ADMIN}?page_size={PAGE}",
        lambda path: request("GET", path),
        holds=b'"email":',
    )


async def searches(connection: Connection, _: int) -> Step:
    """Searches for the beginning of an address; one identity has it."""
    path = f"{ADMIN}?page_size={PAGE}&preview_credentials_identifier_similar={BEGINNING}"
    return again(_as_admin(connection), request("GET", path), holds=SOMEBODY.encode())


CONTESTANT = Contestant(
    name="Ory Kratos",
    version=_version(),
    runtime="Go",
    hashing="bcrypt (cost 12), which is ours, too",
    install=install,
    start=start,
    clients={
        "register": Anew(_registered),
        "login": logs_in,
        "me": asks_for_session,
        "list": lists,
        "page": pages,
        "search": searches,
    },
    people=PEOPLE,
    notes={
        "register": "two requests, as its flows want; opens a session, too",
        "login": "two requests, as its flows want: the first writes a row for the second",
        "refresh": "it has no refresh tokens; a session is prolonged on its admin port",
        "me": "whoami: reads the session and the identity",
        "list": "on its admin port, which asks for no credentials",
        "page": "by key, on the same port",
        "search": "the beginning of an address only, which an index has",
    },
)
