"""Opening and ending sessions."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from prometheus_client import Counter

from keyfob.accounts.service import Accounts
from keyfob.authority.models import OF_ROLE, Permission, User
from keyfob.authority.roles import Roles
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.problems import Unauthenticated
from keyfob.core.secrets import new_id, random_bytes
from keyfob.devices.device import describe_device
from keyfob.devices.source import Source
from keyfob.sessions import grant_queries, queries, upkeep_queries
from keyfob.sessions.activity import Activity
from keyfob.sessions.models import (
    Ending,
    EndReason,
    LiveSession,
    OpenedSession,
    SessionKind,
    SessionState,
    Tokens,
)
from keyfob.sessions.refresh_tokens import (
    LAST_GENERATION,
    SALT_BYTES,
    RefreshToken,
    RefreshTokenCodec,
)
from keyfob.sessions.revocations import Revocations
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import AccessClaims

SESSIONS_ENDED = Counter(
    "keyfob_sessions_ended_total", "Sessions that somebody ended, by the reason.", ["reason"]
)

# In one sign-in: if there are more, such as from before there was a limit, a chore ends the rest.
_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class SessionTokens:
    """Issues the tokens of a session: an access token and a refresh token."""

    access: AccessTokens
    refresh: RefreshTokenCodec
    roles: Roles
    clock: Clock

    def write(self, session: OpenedSession) -> Tokens:
        """Return the tokens of a session's generation, whose refresh token is always the same.

        The access token lives no longer than the session, or than any role in its claims.
        """
        state = session.state
        names, ends_at = present_roles(state, self.clock.now())
        access_token, expires_in = self.access.issue(
            AccessClaims(
                subject=state.user_id,
                session_id=session.id,
                generation=state.generation,
                role=state.role,
                roles=names,
                auth_time=state.auth_time,
                amr=tuple(state.amr),
                ends_at=ends_at,
                sub_gen=state.sub_gen,
                scope=self._scope_of(names),
            )
        )
        token = RefreshToken(session.id, state.generation, session.salt)
        return Tokens(access_token, self.refresh.write(token), expires_in, session.id)

    def _scope_of(self, roles: tuple[str, ...]) -> tuple[str, ...]:
        if len(roles) == 1:
            return _SCOPES[roles[0]]
        return _scope(self.roles.permissions_of_roles(roles))


def present_roles(state: SessionState, now: datetime) -> tuple[tuple[str, ...], datetime]:
    """Return the roles that have not ended, and when the first of them, or the session, ends.

    Ends are in whole seconds, and a token that would live for less than one is not issued.
    """
    if not state.roles:
        return (str(state.role),), state.expires_at
    soon = now + timedelta(seconds=1)
    present = [
        (name, end or state.expires_at)
        for name, end in zip(state.roles, state.role_ends, strict=True)
        if end is None or end > soon
    ]
    ends_at = min((state.expires_at, *(end for _, end in present)))
    return (str(state.role), *(name for name, _ in present)), ends_at


def _scope(permissions: Collection[str]) -> tuple[str, ...]:
    return ("account", *sorted({*permissions} - {Permission.ACCOUNT_READ}))


# For sessions without further roles, whose permissions cannot change.
_SCOPES = {role: _scope(permissions) for role, permissions in OF_ROLE.items()}


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Opens, lists and ends sessions; ending one also revokes its access tokens.

    A user can have at most `most` at once.
    """

    db: Database
    keyring: Keyring
    revocations: Revocations
    activity: Activity
    accounts: Accounts
    clock: Clock
    idle_ttl: timedelta
    max_ttl: timedelta
    most: int
    requires_verified: bool = False
    # Callbacks that record each end of sessions, such as the login log. If none ended, they are not
    # called.
    on_end: list[Callable[[Tx, Ending], Awaitable[None]]] = field(default_factory=list)
    # Callbacks for what ends with a user's sessions, such as pending logins.
    on_end_all: list[Callable[[Tx, Ending], Awaitable[None]]] = field(default_factory=list)

    async def open(
        self,
        tx: Tx,
        user_id: UUID,
        source: Source,
        amr: Sequence[str] = ("pwd",),
        *,
        password_hash: str | None = None,
    ) -> OpenedSession | None:
        """Open a session and return it; None if the user may have none by now.

        None if the user is gone or blocked, must choose a password or, with `requires_verified`,
        verify the address first, or has a factor that `amr` lacks; `login` says which. With
        `password_hash`, also if the password has changed since: a sign-in with the old one does not
        outlive the change. Joins `tx`: `SessionTokens` issues its tokens after the commit.

        Beyond the `most` that a user may have, the least recently active sessions end.

        Raises:
            NoSigningKey: no key is loaded, so that no token of the session could be issued.
        """
        self.keyring.active()
        now = self.clock.now()
        token = RefreshToken(new_id(now), 0, random_bytes(SALT_BYTES))
        inserted = await queries.insert_session(
            tx,
            session_id=token.session_id,
            user_id=user_id,
            secret_hash=token.secret_hash,
            amr=amr,
            now=now,
            expires_at=now + self.max_ttl,
            address=source.address,
            device=describe_device(source.user_agent),
            requires_verified=self.requires_verified,
            password_hash=password_hash,
            idle_since=now - self.idle_ttl,
            most=self.most,
            kind=SessionKind.BROWSER if source.is_page else SessionKind.API,
        )
        if inserted is None:
            return None
        if inserted.too_many:
            await self.end_excess(tx, user_id, token.session_id)
        self.activity.touch(user_id, token.session_id)
        return OpenedSession(token.session_id, token.salt, inserted.state)

    async def renew(self, tx: Tx, caller: User, amr: Sequence[str]) -> OpenedSession:
        """Renew the caller's session, after a new proof of identity.

        All its older tokens are invalid at once and for good. Joins `tx`, as `open` does.

        Raises:
            Unauthenticated: the session has ended meanwhile.
            NoSigningKey: see `open`.
        """
        self.keyring.active()
        token = RefreshToken(caller.session_id, 0, random_bytes(SALT_BYTES))
        state = await queries.renew_session(
            tx, caller.session_id, caller.user_id, token.secret_hash, amr, self.clock.now()
        )
        if state is None:
            raise Unauthenticated
        await self.revocations.revoke(tx, [(caller.session_id, state.generation - 1)])
        return OpenedSession(caller.session_id, token.salt, state)

    async def list_live(self, user_id: UUID) -> list[LiveSession]:
        """Return the user's live sessions, newest first."""
        return await queries.list_live_sessions(self.db, user_id, self.clock.now(), self.idle_ttl)

    async def end_one(
        self, tx: Tx, user_id: UUID, session_id: UUID, reason: EndReason, source: Source | None
    ) -> bool:
        """End one live session of a user; False if there is none.

        Give `source` if its owner does it.
        """
        if not await queries.end_session(tx, session_id, user_id, self.clock.now(), reason):
            return False
        # What apps got in this browser ends with it, unless they may work without their user.
        with_it = await grant_queries.end_grants_from(tx, [session_id], self.clock.now(), reason)
        await self.revocations.revoke(
            tx, [(one, LAST_GENERATION) for one in (session_id, *with_it)]
        )
        SESSIONS_ENDED.labels(reason).inc()
        await self.write_down(tx, Ending(user_id, reason, session_id, source))
        return True

    async def end_all(
        self,
        tx: Tx,
        user_id: UUID,
        reason: EndReason,
        *,
        but: UUID | None = None,
        source: Source | None = None,
    ) -> int:
        """End all of a user's sessions in `tx`, except `but`, record it, and return their number.

        The remaining one needs a refresh, or `renew`: older tokens of all sessions are invalid.
        Pass `source` if the owner does it.
        """
        now = self.clock.now()
        sub_gen = await self.accounts.begin_generation(tx, user_id)
        amount = await in_batches(
            partial(queries.end_sessions_of_user, tx, user_id, now, reason, but)
        )
        if but is not None:
            await queries.follow_subject(tx, but, user_id, sub_gen)
        ending = Ending(user_id, reason, source=source)
        for end_more in self.on_end_all:
            await end_more(tx, ending)
        if amount:
            SESSIONS_ENDED.labels(reason).inc(amount)
            await self.write_down(tx, ending)
        await self.revocations.revoke_before(tx, user_id, sub_gen)
        return amount

    async def delete_ended(self, user_id: UUID) -> None:
        """Delete a user's ended sessions before their time, in small transactions."""
        await in_batches(partial(upkeep_queries.delete_ended_of_user, self.db, user_id))

    async def end_excess(
        self, tx: Tx, user_id: UUID, newest: UUID | None = None, *, at_most: int = _AT_ONCE
    ) -> int:
        """End sessions beyond the `most`, except the `newest`, record it, return their number.

        The least recently active ones end, in one statement. Sign-ins at the same moment end
        different ones; what they leave beyond the limit, at most as many as there were sign-ins,
        the next one ends.
        """
        now = self.clock.now()
        expires_at = self.revocations.expiry(now)
        ended = await upkeep_queries.end_beyond(
            tx,
            user_id,
            now=now,
            idle_since=now - self.idle_ttl,
            newest=newest,
            most=self.most,
            at_most=at_most,
            issued_after=self.revocations.issued_after(now),
            expires_at=expires_at,
        )
        if ended:
            revoked = [(one.session_id, LAST_GENERATION) for one in ended if one.is_revoked]
            self.revocations.refuse_after(tx, revoked, expires_at)
            ids = [one.session_id for one in ended]
            with_them = await grant_queries.end_grants_from(tx, ids, now, EndReason.TOO_MANY)
            if with_them:
                await self.revocations.revoke(tx, [(one, LAST_GENERATION) for one in with_them])
            SESSIONS_ENDED.labels(EndReason.TOO_MANY).inc(len(ended))
            named = ended[0].session_id if len(ended) == 1 else None
            await self.write_down(tx, Ending(user_id, EndReason.TOO_MANY, named))
        return len(ended)

    async def write_down(self, tx: Tx, ending: Ending) -> None:
        """Record the end of sessions, in the `tx` that ends them."""
        for write in self.on_end:
            await write(tx, ending)
