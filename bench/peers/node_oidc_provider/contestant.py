"""node-oidc-provider: token, userinfo and introspection endpoints, with tokens in PostgreSQL."""

import base64
import contextlib
import json
from collections.abc import Iterator

from bench.harness import servers
from bench.harness.app_user import Endpoints, Key
from bench.harness.cluster import Cluster, free_port
from bench.harness.load import Connection, Step, request
from bench.peers.apps import SignsIn
from bench.peers.contestant import Contestant, Hashing, Unavailable
from bench.peers.environment import new_database
from bench.peers.installed import Packages, program, run
from bench.peers.programs import GetsTokens, IntrospectsItsOwn
from bench.peers.steps import again, succeed

PACKAGES = Packages("node_oidc_provider")
_CLIENT_SECRET = "bench-" + 32 * "s"
_SERVICE = ("service", _CLIENT_SECRET)
_KEY_NUMBER = 4711  # of the app that is bound to its key
_ENDPOINTS = Endpoints("/auth", "/token", "/request", "http://bench", "http://bench/token")
_ORDERS = {"resource": "https://orders.bench.example", "scope": "orders:read"}  # as in server.mjs


@contextlib.contextmanager
def start(cluster: Cluster, hashing: Hashing) -> Iterator[servers.Server]:
    if hashing == "ours":
        raise Unavailable("it has no passwords, so it hashes none")
    port = free_port()
    environment = {
        "APP_KEY": json.dumps(Key(_KEY_NUMBER).public),
        "DATABASE_URL": new_database(cluster, PACKAGES.name),
        "NODE_ENV": "production",
        "PORT": str(port),
        "SECRET": _CLIENT_SECRET,
    }
    command = [program("node"), str(PACKAGES.folder / "server.mjs")]
    run([*command, "migrate"], PACKAGES.folder, environment)
    with servers.run(command, port, "/ready", environment) as server:
        yield server


async def _tokens(connection: Connection) -> dict[str, str]:
    """Return the tokens of a new account."""
    wire = request("POST", "/grant", body={})
    tokens: dict[str, str] = (await succeed(connection, wire)).json()
    return tokens


async def refreshes(connection: Connection, _: int) -> Step:
    """Refreshes a grant of its own."""
    token = (await _tokens(connection))["refresh_token"]

    async def step() -> int:
        nonlocal token
        form = {"grant_type": "refresh_token", "client_id": "app", "refresh_token": token}
        answer = await succeed(connection, request("POST", "/token", form=form))
        before, token = token, answer.json()["refresh_token"]
        assert before != token, "not rotated"
        return answer.status

    return step


async def asks_userinfo(connection: Connection, _: int) -> Step:
    """Asks for the userinfo of one token."""
    token = (await _tokens(connection))["access_token"]
    return again(connection, request("GET", "/me", token=token), holds=b'"email":')


async def introspects(connection: Connection, _: int) -> Step:
    """Introspects one token, as a resource server does (RFC 7662)."""
    form = {"token": (await _tokens(connection))["access_token"]}
    basic = base64.b64encode(f"service:{_CLIENT_SECRET}".encode()).decode()
    headers = {"authorization": f"Basic {basic}"}
    wire = request("POST", "/token/introspection", form=form, headers=headers)
    return again(connection, wire, holds=b'"active":true')


_OPAQUE = GetsTokens("/token", _SERVICE)
_IN_MEMORY = GetsTokens("/memory/token", _SERVICE)

CONTESTANT = Contestant(
    name="node-oidc-provider",
    version=PACKAGES.version("oidc-provider"),
    runtime="Node",
    hashing="none: it leaves passwords to its user",
    install=PACKAGES.install,
    start=start,
    clients={
        "refresh": refreshes,
        "me": asks_userinfo,
        "introspect": introspects,
        "app": SignsIn(_ENDPOINTS, "web", secret=_CLIENT_SECRET),
        "app, bound": SignsIn(_ENDPOINTS, "bound", number=_KEY_NUMBER),
        "program token": _OPAQUE,
        "program token, in memory": _IN_MEMORY,
        "program token, signed": GetsTokens("/token", _SERVICE, _ORDERS, alg="EdDSA"),
        "program introspects": IntrospectsItsOwn(_OPAQUE, "/token/introspection"),
        "program introspects, in memory": IntrospectsItsOwn(
            _IN_MEMORY, "/memory/token/introspection"
        ),
    },
    notes={
        "register": "it has no accounts",
        "login": "it has none; a set-up route makes the first tokens through its models",
        "refresh": "rotates, and signs an ID token (RS256); the access token is opaque, so it "
        "writes three rows, one after the other, of which two are new each time",
        "me": "userinfo: reads the rows of token and grant; the account's claims cost no query",
        "introspect": "authenticates the client; looks the token up as each kind, then its grant",
        "app": "signs an ID token (RS256, 2,048 bits); the access token is opaque, and each of "
        "code, token and refresh token is a row of its own",
        "list": "it has no accounts",
        "program token": "as it comes: writes the row of an opaque token; in memory: with the "
        "adapter that it comes with, which a restart empties; signed: a JWT (EdDSA), which it "
        "stores nowhere",
        "program introspects": "reads the row, or its memory; it introspects no JWTs",
    },
)
