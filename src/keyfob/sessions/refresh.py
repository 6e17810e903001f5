"""Refresh tokens: rotation, replay within the grace time, and reuse after it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from keyfob.accounts import locks
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.secrets import compare_digest
from keyfob.devices.device import where_in_words
from keyfob.limits.local import LocalRate
from keyfob.mail import mails
from keyfob.mail.service import Mail
from keyfob.sessions import queries, rotation_queries
from keyfob.sessions.errors import InvalidRefreshToken
from keyfob.sessions.models import (
    Ending,
    EndReason,
    LiveRefresh,
    OpenedSession,
    SessionState,
    StoredSession,
    Tokens,
)
from keyfob.sessions.refresh_tokens import RefreshToken
from keyfob.sessions.rotation import Rotations
from keyfob.sessions.service import SESSIONS_ENDED, Sessions, SessionTokens

REFRESHES = Counter("keyfob_refreshes_total", "Refreshes by outcome.", ["outcome"])
REUSES = Counter("keyfob_refresh_reuse_total", "Refresh tokens presented after their grace time.")

log = structlog.get_logger("keyfob.refresh")

_ROTATED = REFRESHES.labels("rotated")


@dataclass(frozen=True, kw_only=True)
class Refresh:
    """Exchanges a refresh token for the session's next tokens."""

    db: Database
    sessions: Sessions
    tokens: SessionTokens
    audit: Audit
    rate: LocalRate
    clock: Clock
    grace: timedelta
    idle_ttl: timedelta
    mail: Mail
    rotations: Rotations

    async def exchange(self, text: str) -> Tokens:
        """Rotate the session and return its next tokens; one round trip to the database.

        Within the grace time, a used token returns the same successor again: a client that lost the
        response, or raced with another tab, can continue. If the successor was used by then, too,
        the token is refused, but nothing ends. After its grace, the session ends, since either the
        client or a thief uses a stolen token, and nobody can tell which (RFC 9700 section 4.14).

        Raises:
            InvalidRefreshToken: for every cause.
            TooManyRequests: this session refreshes more often than the limit allows.
        """
        token = self.tokens.refresh.read(text)
        if token is None:
            raise self.refusal("forged")
        return self.tokens.write(await self.advance(token))

    async def advance(self, token: RefreshToken) -> OpenedSession:
        """Move a genuine token's session to its next generation, as `exchange` says.

        The successor is a pure function of state and salt, so that a replay gets the same.

        Raises:
            InvalidRefreshToken, TooManyRequests: see `exchange`.
        """
        self._count(token)
        now = self.clock.now()
        state = await self.rotations.rotate(token)
        if state is None:
            state = await self._replay(token, now)
        else:
            _ROTATED.inc()
        return OpenedSession(token.session_id, token.salt, state)

    async def keep(self, token: RefreshToken) -> OpenedSession:
        """Move the session of a genuine token that stays to its next generation; the token stays.

        Raises:
            InvalidRefreshToken: the session has ended or expired.
            TooManyRequests: this session refreshes more often than the limit allows.
        """
        self._count(token)
        now = self.clock.now()
        state = await rotation_queries.keep_session(
            self.db, token.session_id, token.secret_hash, now, now - self.idle_ttl
        )
        if state is None:
            raise self.refusal("ended")
        REFRESHES.labels("kept").inc()
        return OpenedSession(token.session_id, token.salt, state)

    def _count(self, token: RefreshToken) -> None:
        """Count a refresh by the salt of its token.

        Threat: a token from before a new proof (`Sessions.renew`), which refreshes nothing any
        more, uses up the refreshes of the session's owner.
        """
        self.rate.hit(token.secret_hash)

    async def find_live(self, text: str) -> LiveRefresh | None:
        """Return the session of a token that `exchange` would accept now; it changes nothing."""
        token = self.tokens.refresh.read(text)
        session = await queries.find_session(self.db, token.session_id) if token else None
        if token is None or session is None or session.ended_at is not None:
            return None
        if not compare_digest(session.secret_hash, token.secret_hash):
            return None
        now, age = self.clock.now(), session.state.generation - token.generation
        if age not in {0, 1} or (age == 1 and not self._was_used_lately(session, age, now)):
            return None
        ends_at = min(session.state.expires_at, session.last_activity_at + self.idle_ttl)
        return LiveRefresh(token.session_id, session.state, ends_at) if ends_at > now else None

    async def _replay(self, token: RefreshToken, now: datetime) -> SessionState:
        """Handle a token that did not rotate its session."""
        session = await queries.find_session(self.db, token.session_id)
        if session is None or not compare_digest(session.secret_hash, token.secret_hash):
            raise self.refusal("unknown")
        if session.ended_at is not None:
            raise self.refusal("ended")
        if session.state.expires_at <= now or session.last_activity_at + self.idle_ttl <= now:
            raise self.refusal("expired")
        age = session.state.generation - token.generation
        if age <= 0:
            raise self.refusal("ahead")  # the row was restored from a dump
        if self._was_used_lately(session, age, now):
            if age > 1:
                raise self.refusal("overtaken")
            REFRESHES.labels("replayed").inc()
            return session.state
        await self._end_reused(token, session, now)
        raise self.refusal("reused")

    def _was_used_lately(self, session: StoredSession, age: int, now: datetime) -> bool:
        """Tell whether the token of so many generations ago is within the grace of its use.

        The grace of its own use counts, not that of the newest rotation: otherwise whoever holds
        the newest token could keep an old one valid for ever. Without a grace time the answer is
        no: of two that race, the later may see the rotation in its own future.
        """
        used_at = session.used_at
        return bool(self.grace) and age <= len(used_at) and used_at[age - 1] > now - self.grace

    async def _end_reused(self, token: RefreshToken, session: StoredSession, now: datetime) -> None:
        """End the session and notify its owner; committed before the refusal, so that both stay."""
        user_id = session.state.user_id
        address = str(session.ip_address) if session.ip_address else None
        where = where_in_words(address, session.browser, session.os)
        async with self.db.begin() as tx:
            # The account first, as in a block or a deletion.
            if await locks.lock(tx, user_id) is None:
                raise self.refusal("reused")
            await self.mail.tell(tx, user_id, mails.SessionReused(**where))
            if not await queries.end_reused_session(
                tx, token.session_id, token.generation, token.secret_hash, now, self.grace
            ):
                raise self.refusal("reused")  # another request has ended it
            await self.sessions.revocations.revoke_ended(tx, token.session_id)
            SESSIONS_ENDED.labels(EndReason.REUSE).inc()
            await self.sessions.write_down(tx, Ending(user_id, EndReason.REUSE, token.session_id))
            await self.audit.record(
                tx,
                action=Event.SESSION_REUSE_DETECTED,
                actor_id=None,
                target_id=user_id,
                new={"session_id": str(token.session_id)},
            )
        REUSES.inc()
        log.warning("refresh_token_reused", session_id=str(token.session_id), user_id=str(user_id))

    @staticmethod
    def refusal(reason: str) -> InvalidRefreshToken:
        """Return the refusal of a token; the log and the metrics say why."""
        REFRESHES.labels(reason).inc()
        log.info("refresh_refused", reason=reason)
        return InvalidRefreshToken()
