"""Grants of users to apps. Each is a session, so whatever ends sessions ends it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from keyfob.authority.models import OPENID_SCOPES
from keyfob.authority.roles import Roles
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.secrets import compare_digest, new_id, random_bytes
from keyfob.sessions import grant_queries, queries
from keyfob.sessions.models import Ending, EndReason, Granted, GrantOfUser, OpenedSession
from keyfob.sessions.refresh import Refresh
from keyfob.sessions.refresh_tokens import (
    LAST_GENERATION,
    SALT_BYTES,
    RefreshToken,
    RefreshTokenCodec,
)
from keyfob.sessions.revocations import Revocations
from keyfob.sessions.service import SESSIONS_ENDED, present_roles
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import AccessClaims

# Of one app and one user, such as one for each device; and what has ended, of all apps of a user.
_MOST, _MOST_ENDED = 20, 100


@dataclass(frozen=True, kw_only=True)
class Grants:
    """Opens, refreshes, lists and ends what apps have.

    Threat: an app that asks again and again ends the sign-ins of its user, or fills the database.
    So what an app has is counted apart: beyond 20 of one user, what it used longest ago is deleted.
    """

    db: Database
    keyring: Keyring
    access: AccessTokens
    codec: RefreshTokenCodec
    refreshing: Refresh
    revocations: Revocations
    roles: Roles
    clock: Clock
    idle_ttl: timedelta
    max_ttl: timedelta

    async def open(
        self, tx: Tx, user_id: UUID, granted: Granted, *, ttl: int | None
    ) -> OpenedSession | None:
        """Open a grant, which lives `ttl` seconds or, without, as long as a session may.

        None if the user, or the session of the browser, is not live any more.

        Raises:
            NoSigningKey: no key is loaded, so that no token could be issued.
        """
        self.keyring.active()
        now = self.clock.now()
        token = RefreshToken(new_id(now), 0, random_bytes(SALT_BYTES))
        state = await grant_queries.insert_grant(
            tx,
            session_id=token.session_id,
            user_id=user_id,
            granted=granted,
            secret_hash=token.secret_hash,
            now=now,
            expires_at=now + (self.max_ttl if ttl is None else timedelta(seconds=ttl)),
        )
        if state is None:
            return None
        older = await grant_queries.delete_older_grants(
            tx, user_id, granted.client_id, most=_MOST, most_ended=_MOST_ENDED
        )
        await self._revoke(tx, older)
        return OpenedSession(token.session_id, token.salt, state)

    async def find(self, text: str, client_id: UUID) -> Granted:
        """Return what a client's refresh token stands for; this changes nothing.

        Raises:
            InvalidRefreshToken: a token of another client is like a forged one; or the grant has
                ended, or the browser's session on which it rests.
        """
        token = self._read(text, client_id)
        granted = await grant_queries.find_granted(self.db, token.session_id, self.clock.now())
        if granted is None:
            raise self.refreshing.refusal("ended")
        return granted

    async def refresh(self, text: str, client_id: UUID, *, rotates: bool) -> OpenedSession:
        """Move the grant of a client's refresh token on; see `Refresh.exchange`.

        `rotates`: the client's tokens are used up by a refresh. One that stays, from before this
        was so, is refused: nobody would see that a thief uses it, too.

        Raises:
            InvalidRefreshToken: for every cause.
            TooManyRequests: it refreshes more often than the limit allows.
        """
        token = self._read(text, client_id)
        if not token.stays:
            return await self.refreshing.advance(token)
        if rotates:
            raise self.refreshing.refusal("stays")
        return await self.refreshing.keep(token)

    async def give_up(self, text: str, client_id: UUID) -> None:
        """End the grant of a client's refresh token, if it is one (RFC 7009 section 2.1)."""
        token = self.codec.read(text, client_id.bytes)
        found = await queries.find_session(self.db, token.session_id) if token else None
        if token is None or found is None or found.ended_at is not None:
            return
        if not compare_digest(found.secret_hash, token.secret_hash):
            return
        async with self.db.begin() as tx:
            await self.end_one(tx, found.state.user_id, token.session_id)

    def _read(self, text: str, client_id: UUID) -> RefreshToken:
        token = self.codec.read(text, client_id.bytes)
        if token is None:
            raise self.refreshing.refusal("forged")
        return token

    def write_refresh_token(self, session: OpenedSession, client_id: UUID, *, rotates: bool) -> str:
        """Return the refresh token of a grant's present generation, or the one that stays."""
        generation = session.state.generation if rotates else 0
        token = RefreshToken(session.id, generation, session.salt, not rotates)
        return self.codec.write(token, client_id.bytes)

    def write_access_token(
        self,
        session: OpenedSession,
        granted: Granted,
        *,
        generation: int,
        ttl: int,
        jkt: str | None,
        tells_roles: bool,
    ) -> tuple[str, int, tuple[str, ...]]:
        """Return an access token, the seconds that it lives, and its scope.

        `generation` is the client's, and `jkt` the key that the token is bound to. What the roles
        of the user do not permit now is left out; the app may know them if it `tells_roles`.
        """
        state = session.state
        names, ends_at = present_roles(state, self.clock.now())
        held = self.roles.part_held(granted.scope, state.role, names[1:])
        scope = tuple(one for one in granted.scope if one in held or one in OPENID_SCOPES)
        claims = AccessClaims(
            subject=state.user_id,
            session_id=session.id,
            generation=state.generation,
            role=state.role,
            roles=names,
            auth_time=state.auth_time,
            amr=tuple(state.amr),
            ends_at=ends_at,
            sub_gen=state.sub_gen,
            client_id=str(granted.client_id),
            client_gen=generation,
            scope=scope,
            audience=granted.audience,
            userinfo=granted.claims.userinfo,
            jkt=jkt,
            tells_roles=tells_roles,
        )
        text, lifetime = self.access.issue(claims, min(ttl, self.access.ttl))
        return text, lifetime, scope

    async def list_of(self, db: Executor, user_id: UUID) -> list[GrantOfUser]:
        """Return what apps have of a user now, by client."""
        now = self.clock.now()
        return list(await grant_queries.list_grants(db, user_id, now, now - self.idle_ttl))

    async def end_one(self, tx: Tx, user_id: UUID, session_id: UUID) -> None:
        """End one grant, and record it: its code was used twice, or its client gives it up."""
        if await queries.end_session(tx, session_id, user_id, self.clock.now(), EndReason.CLIENT):
            await self._revoke(tx, [session_id])
            SESSIONS_ENDED.labels(EndReason.CLIENT).inc()
            ending = Ending(user_id, EndReason.CLIENT, session_id)
            await self.refreshing.sessions.write_down(tx, ending)

    async def end_all_of(self, tx: Tx, user_id: UUID, client_id: UUID, reason: EndReason) -> int:
        """End all that an app has of a user, revoke its tokens, and return the number of grants."""
        now = self.clock.now()
        ended = await grant_queries.end_grants_of(tx, user_id, client_id, now, reason)
        await self._revoke(tx, ended)
        return len(ended)

    async def end_of_client(self, db: Executor, client_id: UUID, before: datetime) -> int:
        """End all that an app got until a moment, in batches, and return the number of grants.

        Its tokens are not revoked one by one: end the generation of the client (`Clients.change`).
        """
        now = self.clock.now()
        end = partial(grant_queries.end_grants_of_client, db, client_id, before, now)
        return await in_batches(partial(end, EndReason.ADMIN))

    async def _revoke(self, tx: Tx, session_ids: list[UUID]) -> None:
        if session_ids:
            await self.revocations.revoke(tx, [(one, LAST_GENERATION) for one in session_ids])
