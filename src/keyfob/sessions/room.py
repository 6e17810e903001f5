"""The room of sessions: they are opened, refreshed and ended, and their tokens accepted."""

from datetime import timedelta

from keyfob.accounts.service import Accounts
from keyfob.audit.service import Audit
from keyfob.authority.models import Authenticator
from keyfob.authority.roles import Roles
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.core.feed import Feed
from keyfob.core.rooms import Chore, Room
from keyfob.limits.service import Limits
from keyfob.mail.service import Mail
from keyfob.sessions import routes
from keyfob.sessions.activity import Activity
from keyfob.sessions.authentication import SessionAuthenticator
from keyfob.sessions.browser import BrowserSessions
from keyfob.sessions.claims import SessionClaims
from keyfob.sessions.cookies import SessionCookieCodec
from keyfob.sessions.grants import Grants
from keyfob.sessions.own import OwnSessions
from keyfob.sessions.refresh import Refresh
from keyfob.sessions.refresh_tokens import PREFIX_OF_APPS, RefreshTokenCodec
from keyfob.sessions.revocations import Revocations
from keyfob.sessions.rotation import Rotations
from keyfob.sessions.service import Sessions, SessionTokens
from keyfob.sessions.standing import Standing
from keyfob.sessions.upkeep import SessionCleanup, SessionTrimming, UnverifiedEnding
from keyfob.settings import Settings
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.keyring import Keyring


def build(
    *,
    settings: Settings,
    db: Database,
    clock: Clock,
    secrets: SecretKeyring,
    keyring: Keyring,
    access: AccessTokens,
    accounts: Accounts,
    audit: Audit,
    limits: Limits,
    mail: Mail,
    roles: Roles,
) -> Room:
    """Build the services that open, refresh and end sessions, and that accept their tokens."""
    idle_ttl = timedelta(seconds=settings.session_idle_ttl)
    revocations = Revocations(db, clock, token_ttl=timedelta(seconds=settings.access_token_ttl))
    activity = Activity(db, clock, idle_gap=timedelta(seconds=settings.activity_idle_gap))
    codec = RefreshTokenCodec(secrets.derive("refresh tokens"))
    tokens = SessionTokens(access=access, refresh=codec, roles=roles, clock=clock)
    standing = Standing(clock=clock, roles=roles)
    browsers = BrowserSessions(
        db=db,
        codec=SessionCookieCodec(secrets.derive("browser sessions")),
        revocations=revocations,
        activity=activity,
        clock=clock,
        idle_ttl=idle_ttl,
        factor_roles=frozenset(settings.require_mfa_for),
    )
    sessions = Sessions(
        db=db,
        keyring=keyring,
        revocations=revocations,
        activity=activity,
        accounts=accounts,
        clock=clock,
        idle_ttl=idle_ttl,
        max_ttl=timedelta(seconds=settings.session_max_ttl),
        most=settings.max_sessions,
        requires_verified=settings.verify_email == "required",
    )
    refresh = Refresh(
        db=db,
        sessions=sessions,
        tokens=tokens,
        audit=audit,
        rate=limits.refresh,
        clock=clock,
        grace=timedelta(seconds=settings.refresh_grace),
        idle_ttl=idle_ttl,
        mail=mail,
        rotations=Rotations(db, clock, idle_ttl=idle_ttl, most=settings.refreshes_together),
    )
    grants = Grants(
        db=db,
        keyring=keyring,
        access=access,
        codec=RefreshTokenCodec(secrets.derive("refresh tokens of apps"), PREFIX_OF_APPS),
        refreshing=refresh,
        revocations=revocations,
        roles=roles,
        clock=clock,
        idle_ttl=idle_ttl,
        max_ttl=sessions.max_ttl,
    )
    authenticator = SessionAuthenticator(
        access,
        revocations,
        activity,
        clock,
        cache_size=settings.token_cache_size,
        factor_roles=settings.require_mfa_for,
    )
    keyring.on_change.append(authenticator.forget)

    def listen(feed: Feed) -> None:
        feed.hear("revoked", revocations.hear)
        feed.poll_with(revocations.poll)
        feed.reload_with(revocations.load)

    return Room(
        services=[
            sessions,
            browsers,
            tokens,
            codec,
            refresh,
            grants,
            revocations,
            standing,
            SessionClaims(accounts=accounts, revocations=revocations, clock=clock),
            OwnSessions(db=db, sessions=sessions, standing=standing, codec=codec),
        ],
        ports={Authenticator: authenticator},
        routes=[routes.routes],
        chores=_chores(settings, db, clock, sessions, activity),
        listen=listen,
        last=activity.flush,
    )


def _chores(
    settings: Settings, db: Database, clock: Clock, sessions: Sessions, activity: Activity
) -> list[Chore]:
    kept = timedelta(days=settings.ended_session_retention_days)
    cleanup = SessionCleanup(db=db, clock=clock, retention=kept)
    trimming = SessionTrimming(db=db, sessions=sessions)
    unverified = UnverifiedEnding(db=db, sessions=sessions, clock=clock)
    only_verified = [Chore("unverified sessions", 3600, unverified.run, at_start=True)]
    return [
        *(only_verified if sessions.requires_verified else []),
        Chore("activity", settings.activity_flush_seconds, activity.flush),
        Chore("old sessions", 600, cleanup.run),
        Chore("too many sessions", 6 * 3600, trimming.run, at_start=True),
    ]
