"""The chain of MACs that holds the audit log together, and the walk along it."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from keyfob.audit.events import Event
from keyfob.audit.models import AuditEvent
from keyfob.core.encryption import KEY_ID_BYTES, KeyRing
from keyfob.core.secrets import compare_digest

START = b"\x00" * 32


@dataclass(frozen=True)
class Beginning:
    """A break that an operator has seen, and the event from which the chain holds again."""

    position: int
    at: datetime
    broken_at: int


@dataclass(frozen=True)
class Verdict:
    """How many events hold, and the position of the first that does not, if any.

    Where the chain was begun anew, the events of before count only up to the break.
    """

    checked: int
    broken_at: int | None
    begun_anew: Beginning | None = None


@dataclass
class Walk:
    """Follows the chain, an event after the other.

    A break ends where an event says, under our key, that the chain begins anew. It names the break
    and has a digest of all that stood between them: that can no longer be vouched for, but neither
    can it be changed any more, nor the same event excuse another break.
    """

    ring: KeyRing
    position: int = 0
    mac: bytes = START
    verdict: Verdict = field(default_factory=lambda: Verdict(0, None))
    unvouched: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def step(self, event: AuditEvent) -> None:
        """Take the next event."""
        holds, message = self._judge(event)
        before = self.verdict
        if before.broken_at is None and holds and event.position == self.position + 1:
            self.verdict = Verdict(before.checked + 1, None, before.begun_anew)
        elif before.broken_at is None:
            self.verdict = Verdict(before.checked, event.position, before.begun_anew)
            self.unvouched = hashlib.sha256()
        elif (
            holds
            and event.action == Event.AUDIT_BEGUN_ANEW
            and event.new_values == self.left_behind()
        ):
            begun = Beginning(event.position, event.at, before.broken_at)
            self.verdict = Verdict(before.checked + 1, None, begun)
        self.unvouched.update(message + event.mac)
        self.position, self.mac = event.position, event.mac

    def left_behind(self) -> dict[str, Any]:
        """Return what the event says that begins the chain anew after the last event taken."""
        return {"broken_at": self.verdict.broken_at, "sha256": self.unvouched.hexdigest()}

    def _judge(self, event: AuditEvent) -> tuple[bool, bytes]:
        message = message_of(
            self.mac,
            position=event.position,
            event_id=event.id,
            at=event.at,
            action=event.action,
            actor_id=event.actor_id,
            target_id=event.target_id,
            old=event.old_values,
            new=event.new_values,
        )
        key = self.ring.find(event.mac[:KEY_ID_BYTES])
        if key is None:
            return False, message
        return compare_digest(key.mac(message), event.mac[KEY_ID_BYTES:]), message


def message_of(
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
