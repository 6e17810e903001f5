"""The list of revocations that may still concern a valid access token, in every worker."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from prometheus_client import Gauge, Histogram

from keyfob.core.clock import SKEW, Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.sessions import revocation_queries
from keyfob.sessions.refresh_tokens import LAST_GENERATION
from keyfob.sessions.revocation_queries import NOTHING_READ, Kind
from keyfob.tokens.models import LONGEST_TTL, OWN_CLIENT, VerifiedToken

REVOCATION_LAG = Histogram(
    "keyfob_revocation_lag_seconds",
    "From a revocation to its arrival in this worker, by the clocks of both.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
REVOCATIONS_HELD = Gauge(
    "keyfob_revocations_held", "Revocations held in memory.", multiprocess_mode="livemax"
)

LONGEST_GRACE = timedelta(seconds=300)


def rests_on(token: VerifiedToken) -> tuple[tuple[UUID, int], ...]:
    """Return the ids that revoke a token, each with the token's generation of it.

    They are its session (or grant, or key), its subject, its client, and its own id; of one that
    was exchanged, also those of the token that it was exchanged for.
    """
    claims = token.claims
    named = {
        claims.session_id: claims.generation,
        claims.subject: claims.sub_gen,
        token.token_id: 0,
    }
    if claims.client_id != OWN_CLIENT:
        named[UUID(claims.client_id)] = claims.client_gen
    return (*named.items(), *claims.rests_on)


class Revocations:
    """Tells from memory whether a token is revoked; filled by the feed, never emptied too early.

    A revocation is a pair: all tokens of that session, subject or client up to that generation are
    revoked. The generation is a logical clock, so that no wall clock decides. All kinds are kept by
    id: no session has the id of a user. A single token is revoked by its own id (`jti`).

    Args:
        token_ttl: the life of the tokens of sessions. Other tokens live as long as their client
            says, `LONGEST_TTL` at most.
    """

    def __init__(self, db: Database, clock: Clock, *, token_ttl: timedelta) -> None:
        self._db = db
        self._clock = clock
        self._token_ttl = token_ttl
        self._dead: dict[UUID, tuple[int, datetime]] = {}
        self._mark = NOTHING_READ
        self.on_change: list[Callable[[], None]] = []

    def kills(self, of: UUID, generation: int) -> bool:
        """Tell whether a token of that session or subject, with its generation, is revoked."""
        held = self._dead.get(of)
        return held is not None and generation <= held[0]

    def kill_any(self, rests_on: Iterable[tuple[UUID, int]]) -> bool:
        """Tell whether a token is revoked, by any of the ids that it depends on (`rests_on`)."""
        return any(self.kills(of, generation) for of, generation in rests_on)

    def expiry(self, now: datetime, kind: Kind = "session") -> datetime:
        """Return when a revocation made now can be dropped, since no such token lives longer."""
        ttl = (
            self._token_ttl
            if kind == "session"
            else max(self._token_ttl, timedelta(seconds=LONGEST_TTL))
        )
        return now + ttl + SKEW

    def issued_after(self, now: datetime) -> datetime:
        """Return since when a token must have been issued to be valid now, by a row's rotation.

        A replay within the grace time is issued later than the rotation that the row records.
        """
        return now - self._token_ttl - SKEW - LONGEST_GRACE

    async def revoke(self, tx: Tx, revoked: Sequence[tuple[UUID, int]]) -> None:
        """Revoke every access token of these sessions up to these generations.

        Written in `tx`. This worker refuses them after its commit, others once they are told.
        """
        await self._revoke(tx, revoked, "session")

    async def revoke_before(self, tx: Tx, user_id: UUID, sub_gen: int) -> None:
        """Revoke every access token of a user from before a generation of the account.

        This is one revocation for any number of sessions. Begin the generation
        (`Accounts.begin_generation`) and copy it to the sessions that continue, in the same `tx`.
        """
        await self._revoke(tx, [(user_id, sub_gen - 1)], "subject")

    async def revoke_ended(self, tx: Tx, session_id: UUID) -> None:
        """Revoke every access token of a session that has ended, of any generation."""
        await self.revoke(tx, [(session_id, LAST_GENERATION)])

    async def revoke_key(self, tx: Tx, key_ids: Sequence[UUID]) -> None:
        """Revoke API keys, and every access token that was issued for one of them."""
        revoked = [(key_id, LAST_GENERATION) for key_id in key_ids]
        now = self._clock.now()
        expires_at = self.expiry(now, "subject")  # as the tokens of clients, not of sign-ins
        await revocation_queries.revoke(tx, revoked, now, expires_at, "session")
        self.refuse_after(tx, revoked, expires_at)

    async def revoke_client(self, tx: Tx, client_id: UUID, generation: int) -> None:
        """Revoke every access token that a client was issued up to this generation."""
        await self.revoke_clients(tx, [(client_id, generation)])

    async def revoke_clients(self, tx: Tx, revoked: Sequence[tuple[UUID, int]]) -> None:
        """Revoke every access token that these clients were issued up to these generations."""
        await self._revoke(tx, revoked, "client")

    async def revoke_token(self, tx: Tx, token_id: UUID, expires_at: datetime) -> None:
        """Revoke one access token by its `jti`, until it expires."""
        revoked, now = [(token_id, LAST_GENERATION)], self._clock.now()
        await revocation_queries.revoke(tx, revoked, now, expires_at + SKEW, "token")
        self.refuse_after(tx, revoked, expires_at + SKEW)

    async def _revoke(self, tx: Tx, revoked: Sequence[tuple[UUID, int]], kind: Kind) -> None:
        now = self._clock.now()
        expires_at = self.expiry(now, kind)
        await revocation_queries.revoke(tx, revoked, now, expires_at, kind)
        self.refuse_after(tx, revoked, expires_at)

    def refuse_after(
        self, tx: Tx, revoked: Sequence[tuple[UUID, int]], expires_at: datetime
    ) -> None:
        """Refuse in this worker, once `tx` is committed, what one of its statements has revoked."""
        if revoked:
            tx.after_commit(partial(self._refuse, revoked, expires_at))

    def _refuse(self, revoked: Sequence[tuple[UUID, int]], expires_at: datetime) -> None:
        for of, generation in revoked:
            self.add(of, generation, expires_at)

    def add(self, of: UUID, generation: int, expires_at: datetime) -> bool:
        """Add a revocation, and tell whether it is new.

        A later generation replaces an earlier one, never the reverse.
        """
        held = self._dead.get(of)
        is_new = held is None or held[0] < generation
        if held is None or is_new:
            self._dead[of] = (generation, expires_at)
        else:
            self._dead[of] = (held[0], max(held[1], expires_at))
        REVOCATIONS_HELD.set(len(self._dead))
        if is_new:
            for tell in self.on_change:
                tell()
        return is_new

    def hear(self, notice: str) -> None:
        """Handle a notice of the feed: id, generation, begin and end of a revocation in ms."""
        of, generation, revoked, expires = notice.split(" ")
        revoked_at, expires_at = (
            datetime.fromtimestamp(int(at) / 1000, UTC) for at in (revoked, expires)
        )
        self.add(UUID(of), int(generation), expires_at)
        self._observe_lag(revoked_at)

    async def poll(self, db: Executor) -> None:
        """Read what was revoked since the last poll, if notices are not heard."""
        mark, revoked = await revocation_queries.list_revocations_since(
            db, self._mark, self._clock.now()
        )
        for one in revoked:
            is_new = self.add(one.id, one.generation, one.expires_at)
            if is_new and mark.server == self._mark.server:  # otherwise it may be old
                self._observe_lag(one.revoked_at)
        self._mark = mark

    async def load(self) -> None:
        """Read what was revoked while the feed was down, and drop what concerns no valid token."""
        now = self._clock.now()
        for one in await revocation_queries.list_revocations(self._db, now):
            self.add(one.id, one.generation, one.expires_at)
        self._dead = {key: held for key, held in self._dead.items() if held[1] > now}
        REVOCATIONS_HELD.set(len(self._dead))

    def _observe_lag(self, revoked_at: datetime) -> None:
        REVOCATION_LAG.observe(max(0.0, (self._clock.now() - revoked_at).total_seconds()))
