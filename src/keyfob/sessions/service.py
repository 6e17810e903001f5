"""Opening and ending sessions."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from asyncpg import Record

from keyfob.core.authority import Caller, Role
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.origin import Origin
from keyfob.core.problems import Unauthenticated
from keyfob.core.secrets import new_id, random_bytes
from keyfob.core.telemetry import SESSIONS_ENDED
from keyfob.sessions import ending_queries, queries, revocation_queries
from keyfob.sessions.activity import Activity
from keyfob.sessions.bound import SessionBound
from keyfob.sessions.devices import describe_device
from keyfob.sessions.models import Ended, Ending, EndReason, Tokens
from keyfob.sessions.refresh_tokens import (
    LAST_GENERATION,
    SALT_BYTES,
    RefreshToken,
    RefreshTokenCodec,
)
from keyfob.sessions.revocations import Revocations
from keyfob.sessions.subjects import Subjects
from keyfob.tokens.models import AccessClaims
from keyfob.tokens.signing import AccessTokens


@dataclass(frozen=True)
class Sessions:
    """Opens sessions, lists them, ends them; what ends one also revokes its access tokens."""

    db: Database
    tokens: AccessTokens
    codec: RefreshTokenCodec
    revocations: Revocations
    activity: Activity
    subjects: Subjects
    bound: SessionBound
    clock: Clock
    idle_ttl: timedelta
    max_ttl: timedelta
    requires_verified: bool = False
    # What writes down each ending of sessions: the login log. One that ends nothing is none.
    on_end: list[Callable[[Tx, Ending], Awaitable[None]]] = field(default_factory=list)
    # What ends with a user's sessions: sign-ins that still wait for a second factor.
    on_end_all: list[Callable[[Tx, UUID], Awaitable[None]]] = field(default_factory=list)

    async def open(
        self,
        tx: Tx,
        user_id: UUID,
        origin: Origin,
        amr: Sequence[str] = ("pwd",),
        *,
        password_hash: str | None = None,
    ) -> Tokens | None:
        """Open a session and return its first tokens; None if the user may have none by now.

        None if the user is gone or blocked, must choose a password or, with `requires_verified`,
        prove the address first, or has a factor that `amr` lacks; `login` says which. With
        `password_hash` also if the password is another by now: a sign-in with the old one does not
        outlive its change. Joins `tx`: the tokens are good once the caller has committed.

        Beyond the most that a user may have, the least recently active session ends; `made_room`
        tells the login log, which the caller writes.
        """
        now = self.clock.now()
        ends_at = now + self.max_ttl
        refresh = RefreshToken(new_id(now), 0, random_bytes(SALT_BYTES))
        opened = await queries.insert_session(
            tx,
            session_id=refresh.session_id,
            user_id=user_id,
            secret_hash=refresh.secret_hash,
            amr=amr,
            now=now,
            expires_at=ends_at,
            address=origin.address,
            device=describe_device(origin.user_agent),
            requires_verified=self.requires_verified,
            password_hash=password_hash,
            idle_since=now - self.idle_ttl,
            most=self.bound.most,
        )
        if opened is None:
            return None
        made_room: Ending | None = None
        if opened["too_many"]:
            _, made_room = await self.bound.make_room(tx, user_id, refresh.session_id)
        self.activity.touch(user_id, refresh.session_id)
        role = Role(opened["role"])
        claims = AccessClaims(
            user_id, refresh.session_id, 0, role, now, tuple(amr), ends_at, opened["sub_gen"]
        )
        return self.tokens_of(refresh, claims)._replace(made_room=made_room)

    async def renew(
        self, tx: Tx, caller: Caller, amr: Sequence[str]
    ) -> tuple[Tokens, list[tuple[UUID, int]]]:
        """Give the caller's session new tokens, after a new proof of who it is.

        Every older token of it is dead, at once and for good. Joins `tx`: the tokens are good once
        the caller has committed; hand the second result to `apply` then.

        Raises:
            Unauthenticated: the session has ended meanwhile.
        """
        now = self.clock.now()
        salt = random_bytes(SALT_BYTES)
        renewed = await queries.renew_session(
            tx,
            caller.session_id,
            caller.user_id,
            RefreshToken(caller.session_id, 0, salt).secret_hash,
            amr,
            now,
        )
        if renewed is None:
            raise Unauthenticated
        generation = renewed["generation"]
        revoked = [(caller.session_id, generation - 1)]
        await revocation_queries.revoke(tx, revoked, now, self.revocations.expiry(now))
        claims = AccessClaims(
            caller.user_id,
            caller.session_id,
            generation,
            Role(renewed["role"]),
            now,
            tuple(amr),
            renewed["expires_at"],
            renewed["sub_gen"],
        )
        refresh = RefreshToken(caller.session_id, generation, salt)
        return self.tokens_of(refresh, claims), revoked

    def tokens_of(self, refresh: RefreshToken, claims: AccessClaims) -> Tokens:
        """Write a session's pair of tokens."""
        access_token, expires_in = self.tokens.issue(claims)
        return Tokens(
            access_token=access_token,
            refresh_token=self.codec.write(refresh),
            expires_in=expires_in,
            session_id=refresh.session_id,
        )

    async def list_live(self, user_id: UUID) -> list[Record]:
        """Return the user's live sessions, newest first."""
        return await queries.list_live_sessions(self.db, user_id, self.clock.now(), self.idle_ttl)

    async def end_one(
        self, tx: Tx, user_id: UUID, session_id: UUID, reason: EndReason, origin: Origin
    ) -> list[tuple[UUID, int]]:
        """End one live session of a user who wishes so in `tx`, and write it down.

        Hand the result to `apply` after the commit; it is empty where there is no such session.
        """
        now = self.clock.now()
        if not await ending_queries.end_session(tx, session_id, user_id, now, reason):
            return []
        await revocation_queries.revoke_sessions(
            tx, [session_id], now, self.revocations.expiry(now)
        )
        SESSIONS_ENDED.labels(reason).inc()
        await self.write_down(tx, Ending(user_id, reason, session_id, origin))
        return [(session_id, LAST_GENERATION)]

    async def end_all(
        self,
        tx: Tx,
        user_id: UUID,
        reason: EndReason,
        *,
        but: UUID | None = None,
        origin: Origin | None = None,
    ) -> Ended:
        """End all of a user's sessions in `tx`, or all but one, and write it down.

        The one that is left needs a refresh, or `renew`: older tokens are dead, whosever session
        they are of. Give `origin` where the owner does it. Hand what is revoked to `apply` after
        the commit.
        """
        now = self.clock.now()
        sub_gen = await self.subjects.begin_generation(tx, user_id)
        amount = await in_batches(
            partial(ending_queries.end_sessions_of_user, tx, user_id, now, reason, but)
        )
        if but is not None:
            await ending_queries.follow_subject(tx, but, user_id, sub_gen)
        for end_more in self.on_end_all:
            await end_more(tx, user_id)
        if amount:
            SESSIONS_ENDED.labels(reason).inc(amount)
            await self.write_down(tx, Ending(user_id, reason, origin=origin))
        return Ended(amount, await self.subjects.revoke_before(tx, user_id, sub_gen))

    def apply(self, revoked: Sequence[tuple[UUID, int]]) -> None:
        """Refuse in this worker at once what was just committed; the others hear the feed."""
        expires_at = self.revocations.expiry(self.clock.now())
        for of, generation in revoked:
            self.revocations.add(of, generation, expires_at)

    async def write_down(self, tx: Tx, ending: Ending) -> None:
        """Write that sessions were ended, in the `tx` that ends them."""
        for write in self.on_end:
            await write(tx, ending)
