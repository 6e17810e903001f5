"""The interface of a contestant for the harness."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

from bench.harness.cluster import Cluster
from bench.harness.load import Client
from bench.harness.servers import Server
from bench.peers.people import People

Hashing = Literal["own", "ours"]


class Unavailable(Exception):
    """The contestant is not available on this machine; the message says why, for the report."""


@dataclass(frozen=True)
class Contestant:
    """A server, how it is had and started, and how its clients speak to it.

    Args:
        name: as the report's tables say it.
        version: of its pinned packages.
        runtime: "Python", "Node", "JVM" or "Go".
        hashing: what it hashes passwords with by default, in words.
        install: gets its pinned packages into `.bench/<name>`, once; raises `Unavailable`.
        start: starts it on a new, empty database of the cluster, ready for its clients, with its
            own hashing or with ours (bcrypt, cost 12); raises `Unavailable` where it cannot be set.
        clients: by scene: "register", "login", "refresh", "me" (or its session check), and where
            it has them "me, cached" (what it answers without asking its database), "introspect",
            "app" (a sign-in to one by code), and for administrators "list" (of the first page),
            "page" (one after the other), "search" (for a part of an address). Each prepares itself
            (registers a user of its own) and then takes one step at a time, as those of
            `bench.harness.clients` do.
        people: how it is filled with those whom administrators list; `start` adds the first
            ten thousand.
        notes: what a reader must know to compare fairly, by scene ("me: reads the session row").
    """

    name: str
    version: str
    runtime: str
    hashing: str
    install: Callable[[], None]
    start: Callable[[Cluster, Hashing], AbstractContextManager[Server]]
    clients: Mapping[str, Client]
    people: People | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
