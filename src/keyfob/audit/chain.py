"""The chain of MACs that protects the audit log, and its verification."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keyfob.audit.events import Event
from keyfob.audit.models import AuditEvent
from keyfob.core.encryption import KEY_ID_BYTES, KeyRing
from keyfob.core.secrets import compare_digest

START = b"\x00" * 32


@dataclass(frozen=True)
class Beginning:
    """A break that an operator has acknowledged, and the event where the chain begins anew."""

    position: int
    at: datetime
    broken_at: int


@dataclass(frozen=True)
class Verdict:
    """The number of events that verify, and the position of the first that does not, if any.

    If the chain was begun anew, the events before that count only up to the break.
    """

    checked: int
    broken_at: int | None
    begun_anew: Beginning | None = None


@dataclass
class Walk:
    """Verifies the chain, one event after another.

    A break ends at an event, authentic under our key, that begins the chain anew. That event names
    the break and holds a digest of all events in between. They are not verified, but they cannot be
    changed any more, and the same event cannot excuse another break.
    """

    ring: KeyRing
    position: int = 0
    mac: bytes = START
    verdict: Verdict = field(default_factory=lambda: Verdict(0, None))
    unvouched: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def step(self, event: AuditEvent) -> None:
        """Verify the next event."""
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
        """Return the values of an event that begins the chain anew after the last one verified."""
        return {"broken_at": self.verdict.broken_at, "sha256": self.unvouched.hexdigest()}

    def _judge(self, event: AuditEvent) -> tuple[bool, bytes]:
        message = message_of(self.mac, event)
        key = self.ring.find(event.mac[:KEY_ID_BYTES])
        if key is None:
            return False, message
        return compare_digest(key.mac(message), event.mac[KEY_ID_BYTES:]), message


def message_of(previous: bytes, event: AuditEvent) -> bytes:
    """Return an event in one canonical form, preceded by the MAC of the event before it.

    The IP address is left out: it is personal data and is blanked when the person is erased.
    """
    position, event_id, at, action, actor_id, target_id, old, new, *_ = event
    parts = [position, event_id, int(at.timestamp() * 1_000_000), action, actor_id, target_id]
    text = json.dumps([str(part) for part in parts] + [old, new], sort_keys=True)
    return previous + text.encode()
