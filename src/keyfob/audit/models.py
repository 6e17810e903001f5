"""Events of the audit log, as stored."""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple
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


class AuditFilter(NamedTuple):
    """The events to list; None means any. They are from `since` on, and from before `until`."""

    action: str | None = None
    actor_id: UUID | None = None
    target_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
