"""What the flows stand on: the ground, and the foundations."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.profiles import Profiles
from keyfob.accounts.service import Accounts
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import Box, SecretKeyring
from keyfob.core.feed import Feed
from keyfob.core.polling import PolledFeed
from keyfob.limits.mail_caps import Cap
from keyfob.limits.service import Limits, build_limits
from keyfob.mail.building import build_delivery, build_notice_caps, mail_rule
from keyfob.mail.delivery import Delivery
from keyfob.mail.notices import NoticeGate
from keyfob.mail.service import Mail
from keyfob.one_time_tokens.service import SPARE_TTL, OneTimeTokens
from keyfob.outbox.service import Outbox
from keyfob.passwords.building import PasswordRoom, build_passwords
from keyfob.sessions.activity import Activity
from keyfob.sessions.authentication import SessionAuthenticator
from keyfob.sessions.claims import SessionClaims
from keyfob.sessions.own import OwnSessions
from keyfob.sessions.refresh import Refresh
from keyfob.sessions.refresh_tokens import RefreshTokenCodec
from keyfob.sessions.revocations import Revocations
from keyfob.sessions.service import Sessions, SessionTokens
from keyfob.sessions.standing import Standing
from keyfob.sessions.upkeep import SessionTrimming
from keyfob.settings import Settings
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.keyring import Keyring

# How long an account may be answered from memory: where its changes are heard, and where not.
_HEARD, _UNHEARD = timedelta(seconds=3), timedelta(seconds=1)


@dataclass(frozen=True)
class Foundations:
    """What the flows stand on."""

    settings: Settings
    clock: Clock
    secrets: SecretKeyring
    db: Database
    feed: Feed
    audit: Audit
    limits: Limits
    passwords: PasswordRoom
    accounts: Accounts
    credentials: Credentials
    profiles: Profiles
    links: OneTimeTokens
    outbox: Outbox
    mail: Mail
    delivery: Delivery
    notice_gate: NoticeGate
    keyring: Keyring
    revocations: Revocations
    activity: Activity
    standing: Standing
    sessions: Sessions
    codec: RefreshTokenCodec
    session_tokens: SessionTokens
    claims: SessionClaims
    own_sessions: OwnSessions
    trimming: SessionTrimming
    refresh: Refresh
    authenticator: SessionAuthenticator

    def mail_cap(self, name: str) -> Cap:
        """Return the bound of one kind of mail that strangers can ask for, per mailbox.

        One for each: whoever has sign-ups mailed to somebody could else use up the mails by which
        that somebody recovers a password.
        """
        rule = mail_rule(self.settings, name, self.settings.limit_mail)
        one = f"1/{int(SPARE_TTL.total_seconds())}second"
        spare = mail_rule(self.settings, f"{name}-spare", one)
        for_tags = mail_rule(self.settings, f"{name}-tags", self.settings.limit_notices)
        return Cap(rule, spare, for_tags, self.limits.store)


def lay_foundations(settings: Settings, clock: Clock) -> Foundations:
    """Build what knows nothing of the flows.

    Raises:
        WrongSetting: a value cannot be used.
    """
    secrets = SecretKeyring(settings.secret_keys)
    db = _database(settings)
    feed = _feed(settings)
    audit = Audit(db, secrets.derive("audit"), clock)
    limits = build_limits(settings, db, clock)
    outbox = Outbox(db, Box(secrets.derive("outbox")), clock)
    requires_verified = settings.verify_email == "required"

    keyring = _keyring(settings, db, secrets, clock, audit)
    tokens = AccessTokens(
        keyring,
        clock,
        issuer=settings.issuer_url,
        audience=settings.audience,
        ttl=settings.access_token_ttl,
    )
    revocations = Revocations(db, clock, token_ttl=timedelta(seconds=settings.access_token_ttl))
    idle_gap = timedelta(seconds=settings.activity_idle_gap)
    activity = Activity(db, clock, idle_gap=idle_gap)
    idle_ttl = timedelta(seconds=settings.session_idle_ttl)
    profiles = Profiles(
        db,
        clock,
        online_within=idle_gap,
        remembered=_UNHEARD if settings.polls else _HEARD,
        hears_changes=lambda: feed.is_live,
    )
    accounts = Accounts(
        db=db,
        clock=clock,
        profiles=profiles,
        requires_verified=requires_verified,
        takes_local=settings.local_email,
    )
    mail = Mail(outbox, clock, accounts)
    standing = Standing(clock)
    codec = RefreshTokenCodec(secrets.derive("refresh tokens"))
    session_tokens = SessionTokens(tokens, codec)
    sessions = Sessions(
        db,
        keyring,
        revocations,
        activity,
        accounts,
        clock,
        idle_ttl,
        timedelta(seconds=settings.session_max_ttl),
        settings.max_sessions,
        requires_verified,
    )
    grace = timedelta(seconds=settings.refresh_grace)
    return Foundations(
        settings=settings,
        clock=clock,
        secrets=secrets,
        db=db,
        feed=feed,
        audit=audit,
        limits=limits,
        passwords=build_passwords(settings, db, secrets),
        accounts=accounts,
        credentials=Credentials(db=db, clock=clock, requires_verified=requires_verified),
        profiles=profiles,
        links=OneTimeTokens(db, clock, timedelta(seconds=settings.link_ttl)),
        outbox=outbox,
        mail=mail,
        delivery=build_delivery(settings, clock),
        notice_gate=NoticeGate(db, outbox, build_notice_caps(settings, limits.store)),
        keyring=keyring,
        revocations=revocations,
        activity=activity,
        standing=standing,
        sessions=sessions,
        codec=codec,
        session_tokens=session_tokens,
        claims=SessionClaims(accounts, revocations, clock),
        own_sessions=OwnSessions(db, sessions, standing, codec),
        trimming=SessionTrimming(db, sessions),
        refresh=Refresh(
            db, sessions, session_tokens, audit, limits.refresh, clock, grace, idle_ttl, mail
        ),
        authenticator=SessionAuthenticator(
            tokens,
            revocations,
            activity,
            clock,
            cache_size=settings.token_cache_size,
            factor_roles=settings.require_mfa_for,
        ),
    )


def _database(settings: Settings) -> Database:
    return Database(
        settings.dsn,
        pool_size=settings.database_pool_size,
        acquire_timeout=settings.database_acquire_timeout,
        command_timeout=settings.database_command_timeout,
        pooler=settings.database_pooler,
    )


def _feed(settings: Settings) -> Feed:
    timeout = settings.database_acquire_timeout
    if settings.polls:
        return PolledFeed(settings.dsn, timeout=timeout, pooler=settings.database_pooler)
    return Feed(settings.direct_dsn, timeout=timeout)


def _keyring(
    settings: Settings, db: Database, secrets: SecretKeyring, clock: Clock, audit: Audit
) -> Keyring:
    return Keyring(
        db,
        Box(secrets.derive("signing keys")),
        clock,
        algorithm=settings.signing_algorithm,
        token_ttl=timedelta(seconds=settings.access_token_ttl),
        rotate_after=timedelta(days=settings.key_rotation_days),
        publish_ahead=timedelta(seconds=settings.key_publish_ahead),
        record=partial(audit.record_own, action=Event.SIGNING_KEY_ROTATED),
    )
