"""Recording and verifying audit events."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Gauge

from keyfob.audit import queries
from keyfob.audit.chain import START, Beginning, Verdict, Walk, message_of
from keyfob.audit.events import Event
from keyfob.audit.models import AuditEvent, AuditFilter, ChainEnd, ListedEvent
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

_ANY = AuditFilter()


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The audit log: an append-only chain of MACs.

    Values never hold secrets. They hold only such personal data as may stay after an erasure:
    addresses are masked and names left out.
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
    ) -> UUID:
        """Append an event in the transaction that causes it: both happen, or neither.

        Returns its id. `actor_id` is None for the service itself and its command line. The end of
        the chain is locked until the commit, so call this last.
        """
        last = await queries.lock_chain(tx) or ChainEnd(0, START)
        at = self.clock.now()
        address = ip_address(source.address) if source and source.address else None
        event = AuditEvent(
            position=last.position + 1,
            id=new_id(at),
            at=at,
            action=action,
            actor_id=actor_id,
            target_id=target_id,
            old_values=old or {},
            new_values=new or {},
            ip_address=address,
            mac=b"",
        )
        key = self.ring.first
        mac = key.id + key.mac(message_of(last.mac, event))
        await queries.insert_event(tx, event._replace(mac=mac))
        # A copy that the database cannot reach: it shows when the newest events were cut off.
        told = {"position": event.position, "mac": mac.hex(), "action": action}
        tx.after_commit(lambda: log.info("audit_event", **told))
        return event.id

    async def record_own(self, tx: Tx, new: dict[str, Any], *, action: Event) -> None:
        """Append an event of the service itself, or of its command line."""
        await self.record(tx, action=action, actor_id=None, target_id=None, new=new)

    async def erase_person(self, db: Executor, user_id: UUID, *, after: int = 0) -> int:
        """Blank the IP addresses of a person's events after a position; the events themselves stay.

        Works in batches, each in a transaction of its own unless `db` is one. Returns the position
        up to which all is done: the chain only grows at its end, so no event is added before it
        later.
        """
        last = after

        async def blank(limit: int) -> int:
            nonlocal last
            amount, last = await queries.erase_addresses(db, user_id, last, limit)
            return amount

        await in_batches(blank)
        return last

    async def list_events(
        self, wanted: AuditFilter = _ANY, *, before: int | None = None, limit: int = 100
    ) -> list[ListedEvent]:
        """Return events before a position of the chain, newest first, with their parties' names."""
        return await queries.list_events(self.db, wanted, before=before, limit=limit)

    async def list_after(self, position: int, *, limit: int) -> list[ListedEvent]:
        """Return events after a position of the chain, the oldest first, likewise."""
        return await queries.list_after(self.db, position, limit)

    async def find_events(self, ids: Sequence[UUID]) -> dict[UUID, AuditEvent]:
        """Return the events with these ids that there are."""
        return {event.id: event for event in await queries.find_events(self.db, ids)}

    async def find_last_change(self, db: Executor, user_id: UUID, field: str) -> UUID | None:
        """Return the id of the last event that changed a field of an account; None if none did."""
        return await queries.find_last_change(db, user_id, Event.USER_CHANGED, field)

    async def verify(self, *, batch: int = 500) -> Verdict:
        """Check that no event of the chain was changed, removed or inserted.

        `batch` events are in memory at a time.

        The check cannot see that the newest events were cut off: compare the last position with a
        copy that is kept elsewhere (`find_mac`).
        """
        walk = Walk(self.ring)
        async for event in queries.each_event(self.db, batch=batch):
            walk.step(event)
        return walk.verdict

    async def begin_anew(self) -> Beginning | None:
        """Begin the chain anew after a break, by an event that names the break.

        Returns the place of that event; None, and does nothing, if the chain is not broken.
        """
        walk = Walk(self.ring)
        async for event in queries.each_event(self.db):
            walk.step(event)
        # Nobody had to wait for the long walk; events that came meanwhile are walked under the
        # lock.
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
        """Return the MAC of the event at a position; None if there is none."""
        return await queries.find_mac(self.db, position)

    async def last_position(self) -> int:
        """Return the position of the newest event; 0 if there are no events."""
        return await queries.last_position(self.db)

    async def count_signed(self) -> Counter[int | None]:
        """Return the number of events that each secret key signed, by its place in the keyring."""
        rows = await queries.count_by_key(self.db, KEY_ID_BYTES)
        return self.ring.count_by_place(rows)

    async def measure(self) -> None:
        """Set the gauge of the last position."""
        AUDIT_POSITION.set(await self.last_position())
