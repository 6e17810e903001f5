"""The room of the audit log."""

from keyfob.audit.service import Audit
from keyfob.audit.watch import ChainWatch
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.core.rooms import Chore, Room


def build(*, db: Database, secrets: SecretKeyring, clock: Clock) -> Room:
    """Build the audit log."""
    audit = Audit(db=db, ring=secrets.derive("audit"), clock=clock)
    watch = ChainWatch(audit=audit)
    return Room(
        services=[audit, watch],
        close=watch.close,
        chores=[Chore("audit gauge", 15, audit.measure, at_start=True)],
    )
