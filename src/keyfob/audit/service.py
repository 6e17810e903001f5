"""Recording and verifying what happened."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from keyfob.audit import queries
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.encryption import KEY_ID_BYTES, KeyRing
from keyfob.core.origin import Origin
from keyfob.core.secrets import compare_digest, new_id

_START = b"\x00" * 32


@dataclass(frozen=True)
class Verdict:
    """How many events were checked, and the position of the first that does not hold, if any."""

    checked: int
    broken_at: int | None


@dataclass(frozen=True)
class Audit:
    """The audit log: an append-only chain of MACs.

    Values never hold secrets, and of personal data only what erasure can leave behind: addresses
    are masked, names are not written.
    """

    db: Database
    ring: KeyRing
    clock: Clock

    async def record(
        self,
        tx: Tx,
        *,
        action: str,
        actor_id: UUID | None,
        target_id: UUID | None,
        old: dict[str, Any] | None = None,
        new: dict[str, Any] | None = None,
        origin: Origin | None = None,
    ) -> None:
        """Append an event in the transaction that causes it: both happen, or neither.

        `actor_id` None is the service itself or its command line. The chain's end is locked until
        the commit, so call this last.
        """
        last = await queries.lock_chain(tx)
        position = last["position"] + 1 if last else 1
        previous = last["mac"] if last else _START
        at = self.clock.now()
        event: dict[str, Any] = {
            "position": position,
            "event_id": new_id(at),
            "at": at,
            "action": action,
            "actor_id": actor_id,
            "target_id": target_id,
            "old": old or {},
            "new": new or {},
        }
        key = self.ring.first
        mac = key.id + key.mac(_message(previous, **event))
        address = origin.address if origin else None
        await queries.insert_event(tx, **event, address=address, mac=mac)

    async def record_own(self, tx: Tx, action: str, new: dict[str, Any]) -> None:
        """Append an event of the service itself, or of its command line."""
        await self.record(tx, action=action, actor_id=None, target_id=None, new=new)

    async def erase_person(self, tx: Tx, user_id: UUID) -> None:
        """Blank the addresses that a person acted from; what they did stays."""
        await queries.erase_addresses(tx, user_id)

    async def list_events(
        self,
        *,
        before: int | None = None,
        action: str | None = None,
        actor_id: UUID | None = None,
        target_id: UUID | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> list[Record]:
        """Return events, newest first, from before a position in the chain."""
        return await queries.list_events(
            self.db,
            before=before,
            action=action,
            actor_id=actor_id,
            target_id=target_id,
            since=since,
            until=until,
            limit=limit,
        )

    async def verify(self) -> Verdict:
        """Walk the chain and check that no event was changed, dropped or put in between.

        What it cannot see: that the newest events were cut off. Compare the last position with a
        copy kept elsewhere for that.
        """
        previous, checked, expected = _START, 0, 1
        async for event in queries.each_event(self.db):
            if event["position"] != expected or not self._holds(event, previous):
                return Verdict(checked, event["position"])
            previous, checked, expected = event["mac"], checked + 1, expected + 1
        return Verdict(checked, None)

    def _holds(self, event: Record, previous: bytes) -> bool:
        key = self.ring.find(event["mac"][:KEY_ID_BYTES])
        if key is None:
            return False
        message = _message(
            previous,
            position=event["position"],
            event_id=event["id"],
            at=event["at"],
            action=event["action"],
            actor_id=event["actor_id"],
            target_id=event["target_id"],
            old=event["old_values"],
            new=event["new_values"],
        )
        return compare_digest(key.mac(message), event["mac"][KEY_ID_BYTES:])


def _message(
    previous: bytes,
    *,
    position: int,
    event_id: UUID,
    at: datetime,
    action: str,
    actor_id: UUID | None,
    target_id: UUID | None,
    old: dict[str, Any],
    new: dict[str, Any],
) -> bytes:
    """Write an event in one canonical form, together with the MAC before it.

    Not its address: that is personal data, and is blanked when the person is erased.
    """
    parts = [position, event_id, int(at.timestamp() * 1_000_000), action, actor_id, target_id]
    text = json.dumps([str(part) for part in parts] + [old, new], sort_keys=True)
    return previous + text.encode()
