"""Sessions of browsers: from a cookie to its user.

The row is read with each page, and is the whole truth. A cookie is replaced when the rights of its
session have changed: the session moves to its next generation, as in a refresh, and the old cookie
is refused after the grace time.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from keyfob.authority.models import User, has_second_factor
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.secrets import compare_digest
from keyfob.sessions import queries, rotation_queries
from keyfob.sessions.activity import Activity
from keyfob.sessions.cookies import SessionCookie, SessionCookieCodec
from keyfob.sessions.models import OpenedSession, SessionKind, SessionState, StoredSession
from keyfob.sessions.refresh_tokens import RefreshToken
from keyfob.sessions.revocations import Revocations
from keyfob.sessions.service import present_roles

# Requests of other tabs are under way with the cookie of a moment ago.
_GRACE = timedelta(seconds=10)


class BrowserSession(NamedTuple):
    """A live session of a browser: its user, its cookie, and when it ends.

    `is_new`: the browser has another value of the cookie, and should get this one.
    """

    user: User
    cookie: str
    expires_at: datetime
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class BrowserSessions:
    """Writes the cookies of sessions, and finds their users."""

    db: Database
    codec: SessionCookieCodec
    revocations: Revocations
    activity: Activity
    clock: Clock
    idle_ttl: timedelta
    factor_roles: Collection[str] = ()

    def begin(self, session: OpenedSession) -> BrowserSession:
        """Return a session that was just opened or renewed, with its cookie."""
        token = RefreshToken(session.id, session.state.generation, session.salt)
        return self._session(token, session.state, is_new=True)

    async def find(self, text: str) -> BrowserSession | None:
        """Return the live session of a cookie, which counts as activity; None if there is none.

        One query, and a second one if the rights of the session have changed.
        """
        cookie, state = await self._read(text)
        if cookie is None or state is None:
            return None
        found = await self._present(cookie, state)
        if found is not None:
            self.activity.touch(found.user.user_id, found.user.session_id)
        return found

    async def recognise(self, text: str) -> User | None:
        """Return the user of a cookie's live session, with the present rights; None if none lives.

        For an answer that goes on: it counts as no activity, and replaces no cookie.
        """
        cookie, state = await self._read(text)
        return self._user(cookie.token.session_id, state) if cookie and state else None

    async def _read(self, text: str) -> tuple[SessionCookie | None, SessionState | None]:
        cookie = self.codec.read(text)
        stored = await queries.find_session(self.db, cookie.token.session_id) if cookie else None
        is_valid = cookie and stored and self._is_valid(cookie, stored, self.clock.now())
        return cookie, stored.state if stored and is_valid else None

    async def replace(self, session: BrowserSession) -> BrowserSession | None:
        """Return the session with a new cookie, since it may do more now; None if it has ended."""
        cookie = self.codec.read(session.cookie)
        return await self._rotate(cookie) if cookie else None

    def _is_valid(self, cookie: SessionCookie, stored: StoredSession, now: datetime) -> bool:
        if (
            stored.kind is not SessionKind.BROWSER
            or stored.ended_at is not None
            or not compare_digest(stored.secret_hash, cookie.token.secret_hash)
            or stored.state.expires_at <= now
            or stored.last_activity_at + self.idle_ttl <= now
        ):
            return False
        age = stored.state.generation - cookie.token.generation
        lately = stored.used_at[0] > now - _GRACE
        return age == 0 or (age == 1 and lately)

    async def _present(self, cookie: SessionCookie, state: SessionState) -> BrowserSession | None:
        """Return the session with its present rights; with another cookie if they have changed."""
        token = cookie.token
        if token.generation != state.generation:
            # Of another tab, which has the new cookie or gets it. Threat: a thief of the old one
            # would exchange it for one with more rights.
            return self._session(token, state, is_new=False)
        has_changed = cookie.sub_gen != state.sub_gen or self.revocations.kills(
            token.session_id, token.generation
        )
        if has_changed:
            return await self._rotate(cookie)
        return self._session(token, state, is_new=False)

    async def _rotate(self, cookie: SessionCookie) -> BrowserSession | None:
        token, now = cookie.token, self.clock.now()
        state = await rotation_queries.rotate_session(
            self.db,
            token.session_id,
            token.generation,
            token.secret_hash,
            now,
            now - self.idle_ttl,
        )
        if state is not None:
            return self._session(token._replace(generation=state.generation), state, is_new=True)
        # Another tab was faster, or the session has just ended.
        stored = await queries.find_session(self.db, token.session_id)
        if stored is None or not self._is_valid(cookie, stored, now):
            return None
        return self._session(token, stored.state, is_new=False)

    def _session(self, token: RefreshToken, state: SessionState, *, is_new: bool) -> BrowserSession:
        value = self.codec.write(SessionCookie(token, state.sub_gen))
        user = self._user(token.session_id, state)
        return BrowserSession(user, value, state.expires_at, is_new)

    def _user(self, session_id: UUID, state: SessionState) -> User:
        roles, _ = present_roles(state, self.clock.now())
        amr = tuple(state.amr)
        return User(
            state.user_id,
            session_id,
            state.generation,
            state.role,
            state.auth_time,
            amr,
            is_restricted=state.role in self.factor_roles and not has_second_factor(amr),
            sub_gen=state.sub_gen,
            roles=roles[1:],
        )
