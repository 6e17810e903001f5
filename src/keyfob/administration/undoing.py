"""Changes of accounts that are undone for some minutes, by the ids of their audit events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from keyfob.accounts.changes import Changes
from keyfob.accounts.models import Status
from keyfob.administration.authority import Actor
from keyfob.administration.errors import NotAsLeft
from keyfob.administration.service import Administration
from keyfob.audit.events import Event
from keyfob.audit.models import AuditEvent
from keyfob.audit.service import Audit
from keyfob.authority.models import Role
from keyfob.core.clock import Clock
from keyfob.core.database import Executor, Tx


@dataclass(frozen=True, kw_only=True)
class Undoing:
    """Undoes blocks, their ends and roles, by the same flow as they were made.

    Args:
        within: the time in which a change can be undone.
    """

    administration: Administration
    audit: Audit
    clock: Clock
    within: timedelta = timedelta(minutes=10)

    async def find(self, actor: Actor, event_ids: Sequence[UUID]) -> Mapping[UUID, AuditEvent]:
        """Return those of the events whose changes the actor has made, and may undo now."""
        events = await self.audit.find_events(event_ids)
        return {key: event for key, event in events.items() if self._may_undo(actor, event)}

    async def undo(self, actor: Actor, event: AuditEvent | None) -> UUID | None:
        """Give a field of an account the value back that it had before an event.

        What a block ended stays ended. Returns the id of the audit event of this change.

        Raises:
            NotAsLeft: it has been changed since, or there is no such event.
            UserNotFound, LastAdmin, InsufficientAuthentication: see `Administration.change`.
        """
        if event is None or event.target_id is None:
            raise NotAsLeft
        ((name, value),) = event.old_values.items()

        async def ensure_as_left(tx: Tx) -> None:
            if not await self.is_as_left(tx, event):
                raise NotAsLeft

        changes = Changes(role=Role(value)) if name == "role" else Changes(status=Status(value))
        return await self.administration.change(
            actor, event.target_id, changes, check=ensure_as_left
        )

    async def is_as_left(self, db: Executor, event: AuditEvent) -> bool:
        """Tell whether nobody has changed since what an event that may be undone has changed."""
        if event.target_id is None:
            return False
        (name,) = event.new_values
        return await self.audit.find_last_change(db, event.target_id, name) == event.id

    def _may_undo(self, actor: Actor, event: AuditEvent) -> bool:
        return (
            event.action == Event.USER_CHANGED
            and event.actor_id == actor.user_id
            and event.at > self.clock.now() - self.within
            and event.new_values.keys() in ({"role"}, {"status"})
        )
