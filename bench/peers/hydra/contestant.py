"""Ory Hydra: built from its Go module, with two clients that get tokens for themselves."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from bench.harness import servers
from bench.harness.cluster import HOST, Cluster
from bench.peers.contestant import Contestant, Hashing, Unavailable
from bench.peers.environment import new_database
from bench.peers.installed import INSTALLED, install_once, program, run
from bench.peers.ports import admin_port, free_pair
from bench.peers.programs import GetsTokens, IntrospectsItsOwn

NAME = "hydra"
HERE = Path(__file__).parent
FOLDER = INSTALLED / NAME
CLIENTS = HERE / "clients.json"
_SECRET = json.loads(CLIENTS.read_text())[0]["client_secret"]


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
    pinned = re.search(r"github.com/ory/hydra/v2 v([\d.]+)", (HERE / "go.mod").read_text())
    assert pinned
    return pinned[1]


@contextlib.contextmanager
def start(cluster: Cluster, hashing: Hashing) -> Iterator[servers.Server]:
    """Make its tables, start it, and make its key for JWTs and its clients."""
    if hashing == "ours":
        raise Unavailable("it has no passwords")
    port = free_pair()
    config = FOLDER / f"config-{port}.json"
    dsn = new_database(cluster, NAME) + "?sslmode=disable&max_conns=10&max_idle_conns=10"
    config.write_text(json.dumps(_configured(port, dsn)))
    hydra = str(FOLDER / NAME)
    try:
        run([hydra, "migrate", "sql", "--yes", "--config", str(config), dsn], FOLDER)
        command = [hydra, "serve", "all", "--sqa-opt-out", "--config", str(config)]
        with servers.run(command, port, "/health/ready", {}) as server:
            admin = ["--endpoint", f"http://{HOST}:{admin_port(port)}"]
            run(
                [hydra, "create", "jwk", "hydra.jwt.access-token", "--alg", "ES256", *admin], FOLDER
            )
            run([hydra, "import", "oauth2-client", str(CLIENTS), *admin], FOLDER)
            yield server
    finally:
        config.unlink()


def _configured(port: int, dsn: str) -> dict[str, object]:
    return {
        **json.loads((HERE / "config.json").read_text()),
        "dsn": dsn,
        "secrets": {"system": [servers.SECRET]},
        "serve": {
            "tls": {"enabled": False},
            "public": {"host": HOST, "port": port},
            "admin": {"host": HOST, "port": admin_port(port)},
        },
    }


_OPAQUE = GetsTokens("/oauth2/token", ("opaque", _SECRET), {"scope": "orders:read"})
_SIGNED = GetsTokens("/oauth2/token", ("signed", _SECRET), {"scope": "orders:read"}, alg="ES256")
_INTROSPECTION = "/admin/oauth2/introspect"

CONTESTANT = Contestant(
    name="Ory Hydra",
    version=_version(),
    runtime="Go",
    hashing="none: it leaves passwords to its user; secrets of clients by PBKDF2, 25,000 rounds",
    install=install,
    start=start,
    clients={
        "program token": _OPAQUE,
        "program token, signed": _SIGNED,
        "program introspects": IntrospectsItsOwn(_OPAQUE, _INTROSPECTION, port_of=admin_port),
        "program introspects, signed": IntrospectsItsOwn(
            _SIGNED, _INTROSPECTION, port_of=admin_port
        ),
    },
    notes={
        "register": "it has no accounts",
        "login": "it leaves it to its user",
        "program token": "as it comes: checks the secret by PBKDF2 and writes a row of an opaque "
        "token; signed: the same with a JWT (ES256) in place of it",
        "program introspects": "on its admin port, which asks for no credentials; reads the row",
    },
)
