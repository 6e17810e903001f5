"""Events of the audit log, as stored."""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal, NamedTuple
from uuid import UUID


class ChainEnd(NamedTuple):
    """The last event of the chain, to which the next one is appended."""

    position: int
    mac: bytes


class AuditEvent(NamedTuple):
    """An event in its place in the chain; `mac` begins with the id of the key that made it.

    `actor_id` is None for the service itself and its command line.
    """

    position: int
    id: UUID
    at: datetime
    action: str
    actor_id: UUID | None
    target_id: UUID | None
    old_values: dict[str, Any]
    new_values: dict[str, Any]
    ip_address: IPv4Address | IPv6Address | None
    mac: bytes


class Party(NamedTuple):
    """The actor or the target of an event, by its present name; only a user has an `email`."""

    kind: Literal["user", "client", "resource"]
    email: str | None
    name: str | None


class ListedEvent(NamedTuple):
    """An event for reading; a party is None if there is none, or none any more."""

    event: AuditEvent
    actor: Party | None
    target: Party | None


class AuditFilter(NamedTuple):
    """The events to list; None means any. They are from `since` on, and from before `until`.

    `user_id`: the actor or the target.
    """

    action: str | None = None
    actor_id: UUID | None = None
    target_id: UUID | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    user_id: UUID | None = None
