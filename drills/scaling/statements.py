"""Every statement of sessions, revocations and the login log, asked as the service asks it."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from keyfob.authority.models import Role, User
from keyfob.devices.device import Device
from keyfob.login_log import queries as login
from keyfob.login_log.models import LoginFilter, Outcome, Reason
from keyfob.sessions import queries as sessions
from keyfob.sessions import revocation_queries as revocations
from keyfob.sessions import rotation_queries as rotation
from keyfob.sessions import upkeep_queries as upkeep
from keyfob.sessions.models import EndReason, SessionKind

SHARDS = 8

_MODULES: tuple[ModuleType, ...] = (sessions, rotation, revocations, upkeep, login)

# They name a month and change the table itself, or ask the catalogue.
_OF_WHOLE_TABLES = {"create_month", "drop_month", "list_months", "list_after"}

# Not of a user whose sign-ins stand in the shard of those without user: erasing moves them there.
_LIVE = f"""
SELECT * FROM sessions
 WHERE ended_at IS NULL
   AND NOT satisfies_hash_partition('login_events_default'::regclass, {SHARDS}, 0, user_id)
 LIMIT 100
"""

_HOUR = timedelta(hours=1)
_DEVICE = Device("desktop", "Firefox", "Linux", "linux")


@dataclass(frozen=True)
class Sample:
    """Rows that are there, for statements to be about."""

    session: asyncpg.Record
    other_sessions: list[UUID]
    now: datetime

    @classmethod
    async def take(cls, connection: "asyncpg.Connection[asyncpg.Record]") -> "Sample":
        """Take a live session, and a few more."""
        live = await connection.fetch(_LIVE)
        return cls(live[0], [row["id"] for row in live], datetime.now(UTC))


@dataclass(frozen=True)
class Asked:
    """A statement, when it is asked, and how often in the life of a session."""

    when: str
    often: bool
    ask: Callable[[Any, Sample], Awaitable[object]]


def _insert_session(db: Any, s: Sample) -> Awaitable[object]:
    return sessions.insert_session(
        db,
        session_id=uuid4(),
        user_id=s.session["user_id"],
        secret_hash=bytes(32),
        amr=["pwd"],
        now=s.now,
        expires_at=s.now + _HOUR,
        address="192.0.2.1",
        device=_DEVICE,
        requires_verified=False,
        password_hash=None,
        idle_since=s.now - _HOUR,
        most=200,
        kind=SessionKind.API,
    )


def _insert_login_event(db: Any, s: Sample) -> Awaitable[object]:
    event = login.LoginEvent(
        event_id=uuid4(),
        at=s.now,
        user_id=s.session["user_id"],
        outcome=Outcome.SUCCEEDED,
        reason=Reason.PASSWORD,
        address="192.0.2.1",
        device=_DEVICE,
        session_id=s.session["id"],
    )
    return login.insert_login_event(db, event)


def _list_login_events(db: Any, s: Sample, user_id: UUID | None) -> Awaitable[object]:
    return login.list_login_events(db, LoginFilter(user_id=user_id), before=None, limit=50)


def _rotate(db: Any, s: Sample) -> Awaitable[object]:
    row = s.session
    return rotation.rotate_session(
        db, row["id"], row["generation"], row["secret_hash"], s.now, s.now - _HOUR
    )


def _keep(db: Any, s: Sample) -> Awaitable[object]:
    row = s.session
    return rotation.keep_session(db, row["id"], row["secret_hash"], s.now, s.now - _HOUR)


def _rotate_many(db: Any, s: Sample) -> Awaitable[object]:
    asked = [(session_id, 0, bytes(32)) for session_id in s.other_sessions]
    return rotation.rotate_sessions(db, asked, s.now, s.now - _HOUR)


def _end_reused(db: Any, s: Sample) -> Awaitable[object]:
    row = s.session
    return sessions.end_reused_session(db, row["id"], 0, row["secret_hash"], s.now, _HOUR)


def _renew(db: Any, s: Sample) -> Awaitable[object]:
    row = s.session
    return sessions.renew_session(db, row["id"], row["user_id"], bytes(32), ["pwd"], s.now)


def _share(db: Any, s: Sample) -> Awaitable[object]:
    row = s.session
    caller = User(
        row["user_id"],
        row["id"],
        row["generation"],
        Role(row["role"]),
        row["auth_time"],
        tuple(row["amr"]),
    )
    return revocations.share_live_session(db, caller, s.now)


def _touch(db: Any, s: Sample) -> Awaitable[object]:
    touched = [(session_id, s.now) for session_id in s.other_sessions]
    person = (s.session["user_id"], s.now, s.now, timedelta(0))
    return upkeep.update_activity(db, touched, [person], _HOUR)


def _revoke_subject(db: Any, s: Sample) -> Awaitable[object]:
    revoked = [(s.session["user_id"], 1)]
    return revocations.revoke(db, revoked, s.now, s.now + _HOUR, kind="subject")


# Each public function of the modules by its name; `list_login_events` serves two.
STATEMENTS: Mapping[str, Asked] = {
    "rotate_session": Asked("refresh", True, _rotate),
    "keep_session": Asked("refresh of an app whose token stays", True, _keep),
    "rotate_sessions": Asked("refreshes of one moment, a hundred of them", False, _rotate_many),
    "find_session": Asked(
        "a repeated refresh",
        True,
        lambda db, s: sessions.find_session(db, s.session["id"]),
    ),
    "end_reused_session": Asked("a stolen refresh token", False, _end_reused),
    "insert_session": Asked("sign-in", False, _insert_session),
    "find_seen": Asked(
        "sign-in",
        True,
        lambda db, s: login.find_seen(
            db,
            s.session["user_id"],
            network="192.0.2.1/32",
            device=_DEVICE,
            since=s.now - 24 * _HOUR,
        ),
    ),
    "insert_login_event": Asked("sign-in", True, _insert_login_event),
    "end_beyond": Asked(
        "sign-in, of who has too many sessions",
        False,
        lambda db, s: upkeep.end_beyond(
            db,
            s.session["user_id"],
            now=s.now,
            idle_since=s.now - _HOUR,
            newest=None,
            most=0,
            at_most=1,
            issued_after=s.now,
            expires_at=s.now + _HOUR,
        ),
    ),
    "end_session": Asked(
        "sign-out",
        True,
        lambda db, s: sessions.end_session(
            db, s.session["id"], s.session["user_id"], s.now, EndReason.LOGOUT
        ),
    ),
    "revoke": Asked("sign-out, of one or all, a change of role", True, _revoke_subject),
    "list_live_sessions": Asked(
        "one's own sessions",
        False,
        lambda db, s: sessions.list_live_sessions(db, s.session["user_id"], s.now, _HOUR),
    ),
    "end_sessions_of_user": Asked(
        "sign-out everywhere, block, removal",
        False,
        lambda db, s: sessions.end_sessions_of_user(
            db, s.session["user_id"], s.now, EndReason.LOGOUT_EVERYWHERE, None, 5000
        ),
    ),
    "renew_session": Asked("a new password, or a proof once more", False, _renew),
    "strengthen_session": Asked(
        "a first factor",
        False,
        lambda db, s: sessions.strengthen_session(
            db, s.session["id"], s.session["user_id"], ["pwd", "otp", "mfa"], s.now
        ),
    ),
    "update_roles_of_user": Asked(
        "a change of role",
        False,
        lambda db, s: sessions.update_roles_of_user(
            db, s.session["user_id"], s.session["sub_gen"] + 1, Role.MODERATOR, s.now, 5000
        ),
    ),
    "follow_subject": Asked(
        "a new password",
        False,
        lambda db, s: sessions.follow_subject(
            db, s.session["id"], s.session["user_id"], s.session["sub_gen"] + 1
        ),
    ),
    "weaken_sessions": Asked(
        "a factor that is removed",
        False,
        lambda db, s: sessions.weaken_sessions(db, s.session["user_id"], None, s.now, 5000),
    ),
    "share_live_session": Asked("whatever changes something", False, _share),
    "list_revocations": Asked(
        "every worker, at its start and each half minute",
        False,
        lambda db, s: revocations.list_revocations(db, s.now),
    ),
    "list_revocations_since": Asked(
        "every worker that polls, each 0.4 s",
        False,
        lambda db, s: revocations.list_revocations_since(db, revocations.NOTHING_READ, s.now),
    ),
    "update_activity": Asked("every worker, each 3 s, for a hundred sessions", False, _touch),
    "list_crowded": Asked(
        "every worker, each 6 h and at its start",
        False,
        lambda db, s: upkeep.list_crowded(db, None, 200, 100),
    ),
    "list_unverified": Asked(
        "a start where addresses must be verified",
        False,
        lambda db, s: upkeep.list_unverified(db, None, s.now, 100),
    ),
    "delete_old": Asked(
        "every worker, each 10 min",
        False,
        lambda db, s: upkeep.delete_old(db, s.now, s.now - 24 * _HOUR, 100),
    ),
    "delete_ended_of_user": Asked(
        "removal", False, lambda db, s: upkeep.delete_ended_of_user(db, s.session["user_id"], 5000)
    ),
    "list_login_events (own)": Asked(
        "one's own sign-ins", False, lambda db, s: _list_login_events(db, s, s.session["user_id"])
    ),
    "list_login_events": Asked(
        "an administrator's list", False, lambda db, s: _list_login_events(db, s, None)
    ),
    "erase_person": Asked(
        "removal", False, lambda db, s: login.erase_person(db, s.session["user_id"], 5000)
    ),
}


def unlisted() -> list[str]:
    """Name the functions of the modules that nobody here asks: their shards would go unseen."""
    written = {
        name
        for module in _MODULES
        for name, thing in inspect.getmembers(module, inspect.iscoroutinefunction)
        if thing.__module__ == module.__name__ and not name.startswith("_")
    }
    return sorted(written - STATEMENTS.keys() - _OF_WHOLE_TABLES)
