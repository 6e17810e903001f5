"""The short list of revocations that could still meet a live access token, in every worker."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from prometheus_client import Gauge, Histogram

from keyfob.core.clock import SKEW, Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.sessions import revocation_queries
from keyfob.sessions.refresh_tokens import LAST_GENERATION
from keyfob.sessions.revocation_queries import NOTHING_READ, Kind

REVOCATION_LAG = Histogram(
    "keyfob_revocation_lag_seconds",
    "From a revocation to its arrival in this worker, by the clocks of both.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
REVOCATIONS_HELD = Gauge(
    "keyfob_revocations_held", "Revocations held in memory.", multiprocess_mode="livemax"
)

LONGEST_GRACE = timedelta(seconds=300)


class Revocations:
    """Answers from memory whether a token is dead; loaded by the feed, and never forgets early.

    A revocation is a pair: every token of that session, or of that subject, up to that generation
    is dead. The generation is a logical clock, so no wall clock decides. Both kinds are held by
    their id: no session has the id of a user.
    """

    def __init__(self, db: Database, clock: Clock, *, token_ttl: timedelta) -> None:
        self._db = db
        self._clock = clock
        self._token_ttl = token_ttl
        self._dead: dict[UUID, tuple[int, datetime]] = {}
        self._mark = NOTHING_READ

    def kills(self, of: UUID, generation: int) -> bool:
        """Tell whether a token of that session, or subject, and its generation is dead."""
        held = self._dead.get(of)
        return held is not None and generation <= held[0]

    def expiry(self, now: datetime) -> datetime:
        """Return when a revocation of now can be forgotten: no token that it meets lives longer."""
        return now + self._token_ttl + SKEW

    def issued_after(self, now: datetime) -> datetime:
        """Return since when a token must have been issued to be alive now, by a row's rotation.

        A replay within the grace time is issued later than the rotation that the row tells of.
        """
        return now - self._token_ttl - SKEW - LONGEST_GRACE

    async def revoke(self, tx: Tx, revoked: Sequence[tuple[UUID, int]]) -> None:
        """Kill every access token of these sessions up to these generations.

        Written in `tx`. This worker refuses them with its commit, the others as they hear of it.
        """
        await self._revoke(tx, revoked, "session")

    async def revoke_before(self, tx: Tx, user_id: UUID, sub_gen: int) -> None:
        """Kill every access token of a user from before a generation of the account.

        One revocation for all of them, however many sessions there are. Begin the generation
        (`Accounts.begin_generation`) and carry it into the sessions that go on in the same `tx`.
        """
        await self._revoke(tx, [(user_id, sub_gen - 1)], "subject")

    async def revoke_ended(self, tx: Tx, session_id: UUID) -> None:
        """Kill every access token of a session that has ended, of whatever generation."""
        await self.revoke(tx, [(session_id, LAST_GENERATION)])

    async def _revoke(self, tx: Tx, revoked: Sequence[tuple[UUID, int]], kind: Kind) -> None:
        now = self._clock.now()
        await revocation_queries.revoke(tx, revoked, now, self.expiry(now), kind)
        self.refuse_after(tx, revoked)

    def refuse_after(self, tx: Tx, revoked: Sequence[tuple[UUID, int]]) -> None:
        """Refuse in this worker, once `tx` is committed, what a statement of it has revoked."""
        if revoked:
            tx.after_commit(partial(self._refuse, revoked))

    def _refuse(self, revoked: Sequence[tuple[UUID, int]]) -> None:
        expires_at = self.expiry(self._clock.now())
        for of, generation in revoked:
            self.add(of, generation, expires_at)

    def add(self, of: UUID, generation: int, expires_at: datetime) -> bool:
        """Hold a revocation, and tell whether it is new.

        A later generation replaces an earlier one, never the reverse.
        """
        held = self._dead.get(of)
        is_new = held is None or held[0] < generation
        if held is None or is_new:
            self._dead[of] = (generation, expires_at)
        else:
            self._dead[of] = (held[0], max(held[1], expires_at))
        REVOCATIONS_HELD.set(len(self._dead))
        return is_new

    def hear(self, notice: str) -> None:
        """Take in a notice `id generation milliseconds` of the feed."""
        of, generation, milliseconds = notice.split(" ")
        revoked_at = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
        self.add(UUID(of), int(generation), self.expiry(self._clock.now()))
        self._observe_lag(revoked_at)

    async def poll(self, db: Executor) -> None:
        """Read what was revoked since the last poll: where nothing is heard."""
        mark, revoked = await revocation_queries.list_revocations_since(
            db, self._mark, self._clock.now()
        )
        for one in revoked:
            is_new = self.add(one.id, one.generation, one.expires_at)
            if is_new and mark.server == self._mark.server:  # else it may be older than this worker
                self._observe_lag(one.revoked_at)
        self._mark = mark

    async def load(self) -> None:
        """Read what was revoked while the feed was away, and drop what can meet no token."""
        now = self._clock.now()
        for one in await revocation_queries.list_revocations(self._db, now):
            self.add(one.id, one.generation, one.expires_at)
        self._dead = {key: held for key, held in self._dead.items() if held[1] > now}
        REVOCATIONS_HELD.set(len(self._dead))

    def _observe_lag(self, revoked_at: datetime) -> None:
        REVOCATION_LAG.observe(max(0.0, (self._clock.now() - revoked_at).total_seconds()))
