"""Every service and what it is built from: the dependency graph on one page."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from keyfob.account.email import OwnEmail
from keyfob.account.erasure import Erasure, OwnErasure
from keyfob.account.export import OwnExport
from keyfob.account.password import OwnPassword
from keyfob.account.profile import OwnProfile
from keyfob.admin.factors import FactorReset
from keyfob.admin.invitations import Invitations
from keyfob.admin.letters import Letters
from keyfob.admin.service import Administration
from keyfob.audit.service import Audit
from keyfob.core.authority import Authenticator, StepUp
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import Box, SecretKeyring
from keyfob.core.feed import Feed
from keyfob.core.pagination import Cursors
from keyfob.core.polling import PolledFeed
from keyfob.core.telemetry import HASHING_QUEUE, HASHING_RUNNING, POOL_IDLE, POOL_SIZE
from keyfob.health.service import Health
from keyfob.limits.local import LocalRate
from keyfob.limits.models import Rule
from keyfob.limits.service import Limits, RateLimits, build_limits
from keyfob.links.service import OneTimeTokens
from keyfob.login.guarding import GuardedPasswords
from keyfob.login.log import LoginLog
from keyfob.login.notices import Notices
from keyfob.login.passkey import PasskeyLogin
from keyfob.login.pending import PendingLogins
from keyfob.login.reauthentication import Reauthentication
from keyfob.login.refusing import Refusals
from keyfob.login.second_factor import SecondFactor
from keyfob.login.service import Login
from keyfob.mail.building import build_delivery
from keyfob.mail.caps import Cap
from keyfob.mail.places import Places
from keyfob.mail.service import Mail
from keyfob.mfa.building import build_factors
from keyfob.migrations.head import HEAD
from keyfob.outbox.running import OutboxRunner
from keyfob.outbox.service import Outbox
from keyfob.passwords.building import PasswordRoom, build_passwords
from keyfob.passwords.service import Passwords
from keyfob.recovery.service import Recovery
from keyfob.registration.service import Registration
from keyfob.registration.sign_ups import SignUps
from keyfob.registration.verification import EmailVerification
from keyfob.sessions.activity import Activity
from keyfob.sessions.authentication import SessionAuthenticator
from keyfob.sessions.cleanup import SessionCleanup
from keyfob.sessions.refresh import Refresh
from keyfob.sessions.refresh_tokens import RefreshTokenCodec
from keyfob.sessions.revocations import Revocations
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.signing import AccessTokens
from keyfob.users.credentials import Credentials
from keyfob.users.own import OwnAccounts
from keyfob.users.profiles import Profiles
from keyfob.users.service import Users
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


# How long an account may be answered from memory: where its changes are heard, and where not.
_HEARD, _UNHEARD = timedelta(seconds=3), timedelta(seconds=1)


def _feed(settings: Settings) -> Feed:
    timeout = settings.database_acquire_timeout
    if settings.polls:
        return PolledFeed(settings.dsn, timeout=timeout, pooler=settings.database_pooler)
    return Feed(settings.direct_dsn, timeout=timeout)


def _measuring(passwords: PasswordRoom, db: Database) -> Callable[[], Awaitable[None]]:
    async def measure() -> None:
        HASHING_QUEUE.set(passwords.pool.queued)
        HASHING_RUNNING.set(passwords.pool.running)
        POOL_SIZE.set(db.size)
        POOL_IDLE.set(db.idle)

    return measure


# One for each kind of mail: whoever has sign-ups mailed to somebody could else use up the mails by
# which that somebody recovers a password.
def _mail_cap(settings: Settings, limits: Limits, name: str) -> Cap:
    rule = Rule.parse(name, settings.limit_mail) if settings.limits == "on" else Rule(name)
    return Cap(rule, limits.store)


def build(settings: Settings, clock: Clock) -> Wiring:  # noqa: PLR0915 - the graph on one page
    """Build every service of complete settings. Nothing is opened yet.

    Raises:
        WrongSetting: a value cannot be used.
    """
    secrets = SecretKeyring(settings.secret_keys)
    token_ttl = timedelta(seconds=settings.access_token_ttl)
    idle_ttl = timedelta(seconds=settings.session_idle_ttl)
    idle_gap = timedelta(seconds=settings.activity_idle_gap)

    db = Database(
        settings.dsn,
        pool_size=settings.database_pool_size,
        acquire_timeout=settings.database_acquire_timeout,
        command_timeout=settings.database_command_timeout,
        pooler=settings.database_pooler,
    )
    feed = _feed(settings)
    audit = Audit(db, secrets.derive("audit"), clock)
    limits = build_limits(settings, db, clock)
    passwords = build_passwords(settings)
    requires_verified = settings.verify_email == "required"
    users = Users(db, clock, requires_verified)
    credentials = Credentials(clock)
    outbox = Outbox(db, Box(secrets.derive("outbox")), clock)
    mail = Mail(outbox, clock)
    delivery = build_delivery(settings, clock)
    outbox.handle("mail", delivery.deliver)
    mail_cap = _mail_cap(settings, limits, "mail")
    links = OneTimeTokens(db, clock, timedelta(seconds=settings.link_ttl))
    log = LoginLog(db, clock, timedelta(days=settings.login_log_retention_days))

    keyring = Keyring(
        db,
        Box(secrets.derive("signing keys")),
        clock,
        algorithm=settings.signing_algorithm,
        token_ttl=token_ttl,
        rotate_after=timedelta(days=settings.key_rotation_days),
        publish_ahead=timedelta(seconds=settings.key_publish_ahead),
        record=audit.record_own,
    )
    tokens = AccessTokens(
        keyring,
        clock,
        issuer=settings.issuer_url,
        audience=settings.audience,
        ttl=settings.access_token_ttl,
    )
    revocations = Revocations(db, clock, token_ttl=token_ttl)
    activity = Activity(db, clock, idle_gap=idle_gap)
    codec = RefreshTokenCodec(secrets.derive("refresh tokens"))
    sessions = Sessions(
        db,
        tokens,
        codec,
        revocations,
        activity,
        clock,
        idle_ttl,
        timedelta(seconds=settings.session_max_ttl),
        requires_verified,
    )
    refresh = Refresh(
        db,
        sessions,
        audit,
        limits.refresh,
        clock,
        timedelta(seconds=settings.refresh_grace),
        idle_ttl,
        mail,
    )
    authenticator = SessionAuthenticator(
        tokens,
        revocations,
        activity,
        clock,
        cache_size=settings.token_cache_size,
        factor_roles=settings.require_mfa_for,
    )
    profiles = Profiles(
        db,
        clock,
        online_within=idle_gap,
        remembered=_UNHEARD if settings.polls else _HEARD,
        hears_changes=lambda: feed.is_live,
    )

    mfa = build_factors(
        settings,
        db,
        Box(secrets.derive("factors")),
        clock,
        sessions,
        audit,
        mail,
        limits.factor,
    )
    throttled_log = LocalRate(Rule.parse("throttled-log", "1/minute"), clock)
    # Apart from what strangers ask for: they cannot use up what the owner has to be told.
    notice_cap = _mail_cap(settings, limits, "notice")
    places = Places.of_file(settings.geoip_database)
    notices = Notices(db, log, outbox, mail, notice_cap, places)
    guard = GuardedPasswords(db, passwords.service, limits.sign_in, log, throttled_log)
    refusals = Refusals(db, credentials, links, log)
    pending = PendingLogins(db, clock)
    sessions.on_end_all.append(pending.kill)
    second_factor = SecondFactor(
        db,
        users,
        mfa.factors,
        mfa.passkeys,
        pending,
        sessions,
        limits.factor,
        log,
        throttled_log,
        notices,
        refusals,
    )
    login = Login(
        db, users, passwords.service, sessions, guard, log, notices, refusals, second_factor
    )
    passkey_login = PasskeyLogin(db, mfa.challenges, mfa.passkeys, sessions, log, notices, refusals)
    verification = EmailVerification(
        db, credentials, links, outbox, mail, _mail_cap(settings, limits, "mail-verify"), audit
    )
    sign_ups = SignUps(
        db,
        users,
        credentials,
        passwords.service,
        verification,
        outbox,
        mail,
        _mail_cap(settings, limits, "mail-register"),
        audit,
    )
    registration = Registration(
        db,
        users,
        passwords.service,
        sessions,
        log,
        audit,
        sign_ups=sign_ups if requires_verified else None,
        verification=verification if settings.verify_email == "optional" else None,
    )
    recovery = Recovery(
        db,
        users,
        credentials,
        passwords.service,
        sessions,
        links,
        outbox,
        mail,
        _mail_cap(settings, limits, "mail-recover"),
        limits.sign_in,
        log,
        audit,
    )
    accounts = OwnAccounts(clock)
    reauthentication = Reauthentication(
        db,
        accounts,
        guard,
        mfa.factors,
        mfa.passkeys,
        mfa.challenges,
        mfa.step_up,
        sessions,
        limits.factor,
        log,
        notices,
    )
    own_profile = OwnProfile(db, accounts, profiles)
    own_password = OwnPassword(db, accounts, passwords.service, guard, sessions, links, mail, audit)
    own_email = OwnEmail(db, users, accounts, profiles, links, outbox, mail, mail_cap, audit)
    erasure = Erasure(users, accounts, sessions, log, mail, audit)
    grace = timedelta(days=settings.erasure_grace_days)
    own_erasure = OwnErasure(
        db, users, accounts, profiles, erasure, sessions, mail, audit, clock, grace
    )
    asks_for_proof = settings.verify_email != "off"
    letters = Letters(credentials, recovery, verification if asks_for_proof else None, links, mail)
    admin = Administration(
        db,
        users,
        passwords.service,
        sessions,
        erasure,
        letters,
        audit,
        clock,
        online_within=idle_gap,
    )
    invitations = Invitations(db, letters, audit)
    factor_reset = FactorReset(db, users, mfa.factors, pending, mail, audit)

    feed.hear_time(clock.follow)
    feed.hear("revoked", revocations.hear)
    feed.hear("user", profiles.forget)
    # In this order: without keys no token is believed, so none is before its revocation is known.
    feed.poll_with(revocations.poll)
    feed.poll_with(keyring.poll)
    feed.reload_with(revocations.load)
    feed.hear_and_reload("keys", keyring.load)
    keyring.on_change.append(authenticator.forget)

    outbox.handle(Notices.KIND, notices.send)
    outbox.handle(SignUps.KIND, sign_ups.admit)
    outbox.handle(EmailVerification.KIND, verification.send_requested)
    outbox.handle(Recovery.KIND, recovery.send_requested)
    outbox.handle(own_email.KIND, own_email.send_link)
    runner = OutboxRunner(outbox, poll_seconds=1.0 if settings.polls else 5.0)
    feed.hear("outbox", runner.wake)

    cleanup = SessionCleanup(db, clock, timedelta(days=settings.ended_session_retention_days))
    worker = Worker(
        [
            Chore("activity", settings.activity_flush_seconds, activity.flush),
            Chore("gauges", 5, _measuring(passwords, db)),
            Chore("idle connections", 60, db.rest),
            Chore("key rotation", 60, keyring.rotate_when_due),
            Chore("login log months", 3600, log.make_months, at_start=True),
            Chore("old login log", 6 * 3600, log.drop_old_months),
            Chore("old sessions", 600, cleanup.run),
            Chore("old attempts", 60, limits.clean_up),
            Chore("outbox gauges", 15, outbox.measure),
            Chore("old dead letters", 3600, outbox.delete_old),
            Chore("old mails", 3600, delivery.carrier.delete_old),
            Chore("pending logins", 600, pending.clean_up),
            Chore("unconfirmed factors", 600, mfa.enrolment.clean_up),
            Chore("old challenges", 600, mfa.challenges.clean_up),
            Chore("old links", 3600, links.clean_up),
            Chore("erasures", 60, own_erasure.erase_due),
        ],
        last=activity.flush,
    )
    services = {
        type(service): service
        for service in (
            audit,
            keyring,
            sessions,
            refresh,
            profiles,
            log,
            login,
            registration,
            verification,
            recovery,
            admin,
            invitations,
            users,
            mfa.factors,
            mfa.changes,
            mfa.enrolment,
            mfa.passkey_enrolment,
            passkey_login,
            factor_reset,
            pending,
            second_factor,
            reauthentication,
            links,
            mail,
            mail_cap,
            delivery,
            outbox,
            own_profile,
            own_password,
            own_email,
            own_erasure,
            OwnExport(db, audit, clock),
        )
    }
    return Wiring(
        db,
        feed,
        keyring,
        worker,
        runner,
        limits,
        passwords,
        {
            **services,
            Authenticator: authenticator,
            Cursors: Cursors(secrets.derive("cursors")),
            Health: Health(db, feed, HEAD),
            Passwords: passwords.service,
            RateLimits: limits.rates,
            StepUp: mfa.step_up,
        },
    )
