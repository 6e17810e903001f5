"""Ending one's own sessions."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.accounts import locks
from keyfob.authority.models import User
from keyfob.core.database import Database
from keyfob.core.secrets import compare_digest
from keyfob.devices.source import Source
from keyfob.sessions import queries
from keyfob.sessions.errors import NotYourSession, SessionNotFound
from keyfob.sessions.models import EndReason
from keyfob.sessions.refresh_tokens import RefreshTokenCodec
from keyfob.sessions.service import Sessions
from keyfob.sessions.standing import Standing


@dataclass(frozen=True, kw_only=True)
class OwnSessions:
    """Signs users out: here, on one of their devices, or everywhere."""

    db: Database
    sessions: Sessions
    standing: Standing
    codec: RefreshTokenCodec

    async def log_out(self, caller: User, source: Source, refresh_token: str | None = None) -> None:
        """End the caller's session, or that of a refresh token that belongs to the caller.

        Raises:
            NotYourSession: the refresh token is another user's, or invalid.
            Unauthenticated: see `Standing.ensure`.
        """
        session_id = caller.session_id
        if refresh_token is not None:
            session_id = await self._own_session_of(caller, refresh_token)
        await self._end(caller, session_id, source)

    async def leave(self, caller: User, source: Source) -> None:
        """End the session of a browser that its user leaves, if it has not ended meanwhile.

        The caller's rights are not asked for again. Threat: a role changes in the same moment, and
        the page that says "you are signed out" leaves the session, and all that apps got in it.
        """
        async with self.db.begin() as tx:
            if await locks.lock(tx, caller.user_id) is not None:
                await self.sessions.end_one(
                    tx, caller.user_id, caller.session_id, EndReason.LOGOUT, source
                )

    async def end(self, caller: User, session_id: UUID, source: Source) -> None:
        """End one of the caller's sessions.

        Raises:
            SessionNotFound: the caller has no such live session; another user's gets the same
                answer.
            Unauthenticated: see `Standing.ensure`.
        """
        if not await self._end(caller, session_id, source):
            raise SessionNotFound

    async def log_out_everywhere(self, caller: User, source: Source) -> None:
        """End all of the caller's sessions.

        Raises:
            Unauthenticated: see `Standing.ensure`.
        """
        async with self.db.begin() as tx:
            await self.standing.ensure(tx, caller)
            await self.sessions.end_all(
                tx, caller.user_id, EndReason.LOGOUT_EVERYWHERE, source=source
            )

    async def end_others(self, caller: User, source: Source) -> None:
        """End all of the caller's sessions but the calling one, which needs a refresh.

        Raises:
            Unauthenticated: see `Standing.ensure`.
        """
        async with self.db.begin() as tx:
            await self.standing.ensure(tx, caller)
            await self.sessions.end_all(
                tx, caller.user_id, EndReason.OWNER, but=caller.session_id, source=source
            )

    async def _end(self, caller: User, session_id: UUID, source: Source) -> bool:
        reason = EndReason.LOGOUT if session_id == caller.session_id else EndReason.OWNER
        async with self.db.begin() as tx:
            await self.standing.ensure(tx, caller)
            return await self.sessions.end_one(tx, caller.user_id, session_id, reason, source)

    async def _own_session_of(self, caller: User, refresh_token: str) -> UUID:
        token = self.codec.read(refresh_token)
        if token is None:
            raise NotYourSession
        session = await queries.find_session(self.db, token.session_id)
        if (
            session is None
            or session.state.user_id != caller.user_id
            or not compare_digest(session.secret_hash, token.secret_hash)
        ):
            raise NotYourSession
        return token.session_id
