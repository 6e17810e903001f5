"""The whole: what hears, what does which job, what runs beside requests, what routes ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from keyfob.authority.models import Authenticator, StepUp
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.pagination import Cursors
from keyfob.health.service import Health
from keyfob.limits.rates import RateLimits
from keyfob.limits.service import Limits
from keyfob.limits.store import PostgresStore, Trial
from keyfob.login.notices import Notices
from keyfob.mail.models import MAIL
from keyfob.mail.notices import NoticeGate
from keyfob.outbox.running import OutboxRunner, Pace
from keyfob.own_account.email import OwnEmail
from keyfob.passwords.building import PasswordRoom
from keyfob.passwords.service import Passwords
from keyfob.recovery.service import Recovery
from keyfob.registration.sign_ups import SignUps
from keyfob.registration.verification import VerificationLinks
from keyfob.sessions.upkeep import SessionCleanup
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring
from keyfob.wiring.entering import Entering, build_entering
from keyfob.wiring.foundations import Foundations, lay_foundations
from keyfob.wiring.living import Living, build_living
from keyfob.worker import Chore, Worker


@dataclass(frozen=True)
class Wiring:
    """What the app serves with, and what it starts and stops."""

    db: Database
    feed: Feed
    keyring: Keyring
    worker: Worker
    runner: OutboxRunner
    limits: Limits
    passwords: PasswordRoom
    services: Mapping[Any, Any]

    async def start(self) -> None:
        """Open the pool and begin to listen; the database may still be away."""
        await self.db.open()
        await self.feed.start()
        await self.worker.start()
        await self.runner.start()

    async def stop(self) -> None:
        """Write what is in memory, then let go of everything."""
        await self.runner.stop()
        await self.worker.stop()
        await self.feed.stop()
        await self.passwords.close()
        await self.limits.close()
        await self.db.close()


def build(settings: Settings, clock: Clock) -> Wiring:
    """Build every service of complete settings. Nothing is opened yet.

    Raises:
        WrongSetting: a value cannot be used.
    """
    base = lay_foundations(settings, clock)
    entering = build_entering(base)
    living = build_living(base, entering)
    runner = OutboxRunner(base.outbox, Pace(poll=1.0 if settings.polls else 5.0))
    _hear(base, runner)
    _handle(base, entering, living)
    return Wiring(
        base.db,
        base.feed,
        base.keyring,
        Worker(_chores(base, entering, living), last=base.activity.flush),
        runner,
        base.limits,
        base.passwords,
        _services(base, entering, living),
    )


def _hear(base: Foundations, runner: OutboxRunner) -> None:
    """Tell the feed who listens."""
    feed, keyring, revocations = base.feed, base.keyring, base.revocations
    feed.hear_time(base.clock.follow)
    feed.hear("revoked", revocations.hear)
    feed.hear("user", base.profiles.hear)
    feed.hear("outbox", runner.wake)
    # In this order: without keys no token is believed, so none is before its revocation is known.
    feed.poll_with(revocations.poll)
    feed.poll_with(keyring.poll)
    feed.reload_with(revocations.load)
    feed.hear_and_reload("keys", keyring.load)
    keyring.on_change.append(base.authenticator.forget)


def _handle(base: Foundations, entering: Entering, living: Living) -> None:
    """Tell the outbox who does which job."""
    handle = base.outbox.handle
    handle(MAIL, base.delivery.deliver)
    handle(NoticeGate.KIND, base.notice_gate.send)
    handle(Notices.KIND, entering.notices.send)
    handle(SignUps.KIND, living.sign_ups.admit)
    handle(VerificationLinks.KIND, living.verification_links.send_requested)
    handle(Recovery.KIND, living.recovery.send_requested)
    handle(OwnEmail.KIND, living.own_email.send_link)


def _chores(base: Foundations, entering: Entering, living: Living) -> list[Chore]:
    settings, log, mfa = base.settings, entering.log, entering.mfa
    kept = timedelta(days=settings.ended_session_retention_days)
    cleanup = SessionCleanup(base.db, base.clock, kept)
    return [
        Chore("key rotation", 60, base.keyring.rotate_when_due, at_start=True),
        Chore("forms of password hashes", 600, base.passwords.stored.count, at_start=True),
        Chore("activity", settings.activity_flush_seconds, base.activity.flush),
        Chore("hashing gauges", 5, base.passwords.measure),
        Chore("pool gauges", 5, base.db.measure),
        Chore("idle connections", 60, base.db.rest),
        Chore("login log months", 3600, log.make_months, at_start=True),
        Chore("old login log", 6 * 3600, log.drop_old_months),
        Chore("old sessions", 600, cleanup.run),
        Chore("old attempts", 60, base.limits.clean_up),
        Chore("outbox gauges", 15, base.outbox.measure),
        Chore("audit gauge", 15, base.audit.measure, at_start=True),
        Chore("old dead letters", 3600, base.outbox.delete_old),
        Chore("old mails", 3600, base.delivery.carrier.delete_old),
        Chore("pending logins", 600, entering.pending.clean_up),
        Chore("unconfirmed factors", 600, mfa.enrolment.clean_up),
        Chore("old challenges", 600, mfa.challenges.clean_up),
        Chore("old links", 3600, base.links.clean_up),
        Chore("old sign-ups", 3600, living.waiting.remove_abandoned),
        Chore("erasures", 60, living.own_erasure.erase_due),
        # Last, for it may take long.
        Chore("too many sessions", 6 * 3600, base.trimming.run, at_start=True),
    ]


def _trials(base: Foundations) -> dict[str, Trial]:
    """Return what readiness tries: what requests need beside reading."""
    trials = {"writes": Trial(PostgresStore(base.db, base.clock))}
    if base.settings.limits == "on" and base.settings.limit_store is not None:
        trials["limit_store"] = Trial(base.limits.store)
    return trials


def _services(base: Foundations, entering: Entering, living: Living) -> dict[Any, Any]:
    """Return what routes and the command line ask for, by its type."""
    mfa = entering.mfa
    rooms = [vars(part).values() for part in (base, entering, living, mfa)]
    return {
        **{type(service): service for room in rooms for service in room},
        Authenticator: base.authenticator,
        Cursors: Cursors(base.secrets.derive("cursors")),
        Health: Health(base.db, base.feed, _trials(base)),
        Passwords: base.passwords.service,
        RateLimits: base.limits.rates,
        StepUp: mfa.step_up,
    }
