"""The login log: attempts to sign in, their source and outcome, and the ends of sessions."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from uuid import UUID

from prometheus_client import Counter

from keyfob.accounts.email import Email
from keyfob.core.addresses import UNKNOWN, client_bucket
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.problems import TooManyRequests
from keyfob.core.secrets import new_id
from keyfob.core.telemetry import mask_email
from keyfob.devices.device import Device, describe_device
from keyfob.devices.source import Source
from keyfob.limits.local import LocalRate
from keyfob.login_log import queries
from keyfob.login_log.models import LoggedAttempt, LoginFilter, Outcome, Reason, Seen
from keyfob.login_log.queries import LoginEvent
from keyfob.sessions.models import Ending

LOGINS = Counter("keyfob_logins_total", "Sign-ins by outcome and reason.", ["outcome", "reason"])

_KNOWN_FOR = timedelta(days=90)
_MONTHS_AHEAD = 3


@dataclass(frozen=True, kw_only=True)
class LoginLog:
    """Writes, reads and maintains the login log."""

    db: Database
    clock: Clock
    retention: timedelta
    throttled_rate: LocalRate

    async def succeeded(
        self, tx: Executor, user_id: UUID, reason: Reason, source: Source, session_id: UUID
    ) -> None:
        """Log a sign-in, in the transaction that opens its session."""
        event = self._event(Outcome.SUCCEEDED, reason, user_id, source)
        await _write(tx, event._replace(session_id=session_id))

    async def recovered(self, tx: Executor, user_id: UUID, source: Source) -> None:
        """Log that a password was chosen by a link, which makes the network and device known."""
        await _write(tx, self._event(Outcome.SUCCEEDED, Reason.RECOVERED, user_id, source))

    async def refused(
        self,
        tx: Executor,
        email: Email | None,
        user_id: UUID | None,
        reason: Reason,
        source: Source,
    ) -> None:
        """Log a refused attempt; an address without account is masked, since it may be a typo."""
        masked = mask_email(email.normal) if email and not user_id else None
        event = self._event(Outcome.REFUSED, reason, user_id, source)
        await _write(tx, event._replace(email=masked))

    async def throttled(
        self, db: Executor, email: Email | None, user_id: UUID | None, source: Source
    ) -> None:
        """Log an attempt that was not checked, only the first of its kind in a minute.

        Threat: a throttled client could otherwise fill the disk at no cost.
        """
        with suppress(TooManyRequests):
            self.throttled_rate.hit((email.normal if email else user_id, source.address))
            await self.refused(db, email, user_id, Reason.THROTTLED, source)

    async def ended(self, tx: Executor, ending: Ending) -> None:
        """Log that one or all sessions were ended, in the transaction that ends them.

        This is not a sign-in: it makes no network or device known.
        """
        source = ending.source or Source(None, "")
        event = self._event(Outcome.ENDED, Reason(ending.reason), ending.user_id, source)
        await queries.insert_login_event(tx, event._replace(session_id=ending.session_id))

    async def factor_not_shown(
        self, tx: Tx, user_id: UUID, at: datetime, address: str | None, device: Device
    ) -> None:
        """Log that no factor followed a right password, which was given `at` this time from there.

        Does nothing if the retention is over: the partition of that month may be dropped already.
        """
        if at < self.clock.now() - self.retention:
            return
        event = LoginEvent(
            event_id=new_id(at),
            at=at,
            user_id=user_id,
            outcome=Outcome.REFUSED,
            reason=Reason.FACTOR_NOT_SHOWN,
            address=address,
            device=device,
        )
        await _write(tx, event)

    async def recall(self, db: Executor, user_id: UUID, source: Source) -> Seen:
        """Tell whether the account signed in from that network and device in the last 90 days."""
        network = client_bucket(source.address or UNKNOWN)
        return await queries.find_seen(
            db,
            user_id,
            network=None if network == UNKNOWN else network,
            device=describe_device(source.user_agent),
            since=self.clock.now() - _KNOWN_FOR,
        )

    async def list_events(
        self,
        wanted: LoginFilter,
        *,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 100,
    ) -> list[LoggedAttempt]:
        """Return lines, newest first, from before a position in that order."""
        return await queries.list_login_events(self.db, wanted, before=before, limit=limit)

    async def list_after(self, place: tuple[datetime, UUID], *, limit: int) -> list[LoggedAttempt]:
        """Return lines after a time and id, the oldest first."""
        return await queries.list_after(self.db, place, limit)

    async def erase_person(self, db: Executor, user_id: UUID) -> None:
        """Remove a person from the log; the lines themselves stay.

        Works in batches, each in a transaction of its own unless `db` is one.
        """
        await in_batches(partial(queries.erase_person, db, user_id))

    async def make_months(self) -> None:
        """Create the partitions of this month and the next three, if they are missing."""
        existing = set(await queries.list_months(self.db))
        first = self.clock.now().date().replace(day=1)
        for _ in range(_MONTHS_AHEAD + 1):
            following = _next_month(first)
            if f"login_events_{first:%Y_%m}" not in existing:
                await queries.create_month(self.db, first, following)
            first = following

    async def drop_old_months(self) -> None:
        """Drop the partitions of months that are past their retention."""
        oldest = (self.clock.now() - self.retention).date().replace(day=1)
        for name in await queries.list_months(self.db):
            if name < f"login_events_{oldest:%Y_%m}":
                await queries.drop_month(self.db, name)

    def _event(
        self, outcome: Outcome, reason: Reason, user_id: UUID | None, source: Source
    ) -> LoginEvent:
        at = self.clock.now()
        return LoginEvent(
            event_id=new_id(at),
            at=at,
            user_id=user_id,
            outcome=outcome,
            reason=reason,
            address=source.address,
            device=describe_device(source.user_agent),
        )


async def _write(tx: Executor, event: LoginEvent) -> None:
    await queries.insert_login_event(tx, event)
    LOGINS.labels(event.outcome, event.reason).inc()


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
