"""Recording and verifying what happened."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Gauge

from keyfob.audit import queries
from keyfob.audit.chain import START, Beginning, Verdict, Walk, message_of
from keyfob.audit.events import Event
from keyfob.audit.models import AuditEvent, ChainEnd
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.encryption import KEY_ID_BYTES, KeyRing
from keyfob.core.secrets import new_id
from keyfob.devices.source import Source

AUDIT_POSITION = Gauge(
    "keyfob_audit_position",
    "The position of the newest audit event. It never falls, unless events were cut off.",
    multiprocess_mode="livemax",
)

log = structlog.get_logger("keyfob.audit")


@dataclass(frozen=True, kw_only=True)
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
        action: Event,
        actor_id: UUID | None,
        target_id: UUID | None,
        old: dict[str, Any] | None = None,
        new: dict[str, Any] | None = None,
        source: Source | None = None,
    ) -> None:
        """Append an event in the transaction that causes it: both happen, or neither.

        `actor_id` None is the service itself or its command line. The chain's end is locked until
        the commit, so call this last.
        """
        last = await queries.lock_chain(tx) or ChainEnd(0, START)
        position = last.position + 1
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
        mac = key.id + key.mac(message_of(last.mac, **event))
        address = source.address if source else None
        await queries.insert_event(tx, **event, address=address, mac=mac)
        # A copy out of the database's reach: with it, events that were cut off are missed.
        told = {"position": position, "mac": mac.hex(), "action": action}
        tx.after_commit(lambda: log.info("audit_event", **told))

    async def record_own(self, tx: Tx, new: dict[str, Any], *, action: Event) -> None:
        """Append an event of the service itself, or of its command line."""
        await self.record(tx, action=action, actor_id=None, target_id=None, new=new)

    async def erase_person(self, db: Executor, user_id: UUID, *, after: int = 0) -> int:
        """Blank the addresses that a person acted from after a position; what they did stays.

        In batches, each its own transaction unless `db` is one. Returns the position up to which
        it is done: the chain grows at its end alone, so nothing comes before it later.
        """
        last = after

        async def blank(limit: int) -> int:
            nonlocal last
            amount, last = await queries.erase_addresses(db, user_id, last, limit)
            return amount

        await in_batches(blank)
        return last

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
    ) -> list[AuditEvent]:
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

    async def verify(self, *, batch: int = 500) -> Verdict:
        """Walk the chain and check that no event was changed, dropped or put in between.

        So many events are held in memory at a time.

        What it cannot see: that the newest events were cut off. Compare the last position with a
        copy kept elsewhere for that (`find_mac`).
        """
        walk = Walk(self.ring)
        async for event in queries.each_event(self.db, batch=batch):
            walk.step(event)
        return walk.verdict

    async def begin_anew(self) -> Beginning | None:
        """Begin the chain anew where it is broken, by an event that names the break.

        Returns that event's place, or None: the chain holds, and nothing was done.
        """
        walk = Walk(self.ring)
        async for event in queries.each_event(self.db):
            walk.step(event)
        # The long walk held nobody up; what came meanwhile is walked under the lock.
        async with self.db.begin() as tx:
            await queries.lock_chain(tx)
            await self._walk_on(walk, tx)
            if walk.verdict.broken_at is None:
                return None
            await self.record_own(tx, walk.left_behind(), action=Event.AUDIT_BEGUN_ANEW)
            await self._walk_on(walk, tx)
        return walk.verdict.begun_anew

    async def _walk_on(self, walk: Walk, tx: Tx) -> None:
        async for event in queries.each_event(tx, after=walk.position):
            walk.step(event)

    async def find_mac(self, position: int) -> bytes | None:
        """Return the MAC of the event at a position, or None."""
        return await queries.find_mac(self.db, position)

    async def last_position(self) -> int:
        """Return the position of the newest event; 0 where there is none."""
        return await queries.last_position(self.db)

    async def count_signed(self) -> Counter[int | None]:
        """Return how many events each secret key signed, by its place in the list."""
        rows = await queries.count_by_key(self.db, KEY_ID_BYTES)
        return self.ring.count_by_place(rows)

    async def measure(self) -> None:
        """Set the gauge."""
        AUDIT_POSITION.set(await self.last_position())
