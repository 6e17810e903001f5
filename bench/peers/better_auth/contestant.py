"""better-auth: how it is started; its clients are those of its port, too."""

import contextlib
from collections.abc import Iterator

from bench.harness import servers
from bench.harness.cluster import Cluster, free_port
from bench.peers.better_auth_clients import CLIENTS, NOTES, people
from bench.peers.contestant import Contestant, Hashing
from bench.peers.environment import new_database
from bench.peers.installed import Packages, program, run

PACKAGES = Packages("better_auth")
PEOPLE = people(PACKAGES.name)


@contextlib.contextmanager
def start(cluster: Cluster, hashing: Hashing) -> Iterator[servers.Server]:
    """Make its tables and start it, with one admin and its people."""
    port = free_port()
    environment = {
        "ADMIN_EMAIL": servers.ADMIN[0],
        "ADMIN_PASSWORD": servers.ADMIN[1],
        "DATABASE_URL": new_database(cluster, PACKAGES.name),
        "HASHING": hashing,
        "NODE_ENV": "production",
        "PORT": str(port),
        "SECRET": servers.SECRET,
    }
    command = [program("node"), str(PACKAGES.folder / "server.mjs")]
    run([*command, "migrate"], PACKAGES.folder, environment)
    PEOPLE.fill(cluster)
    with servers.run(command, port, "/ready", environment) as server:
        yield server


CONTESTANT = Contestant(
    name="better-auth",
    version=PACKAGES.version("better-auth"),
    runtime="Node",
    hashing="scrypt (N=16384, r=16, p=1)",
    install=PACKAGES.install,
    start=start,
    clients=CLIENTS,
    people=PEOPLE,
    notes=NOTES,
)
