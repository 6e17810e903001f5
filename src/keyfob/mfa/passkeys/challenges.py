"""Challenges: random bytes for a passkey to sign, good for one answer within five minutes."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from keyfob.authority.models import User
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.secrets import new_id, random_bytes
from keyfob.mfa.passkeys import queries
from keyfob.mfa.passkeys.options import CHALLENGE_SECONDS

_BYTES = 32  # WebAuthn Level 3 section 13.4.3: at least 16


def new_challenge() -> bytes:
    """Return fresh random bytes."""
    return random_bytes(_BYTES)


@dataclass(frozen=True, kw_only=True)
class Challenges:
    """Keeps challenges in the database, so that any worker may take the answer."""

    db: Database
    clock: Clock

    async def issue(self, db: Executor, caller: User | None) -> tuple[UUID, bytes]:
        """Return a challenge and its id.

        With a caller it is for something that is done in this session, and without one for a
        sign-in by passkey alone; one is no good for the other.
        """
        now = self.clock.now()
        challenge_id, challenge = new_id(now), new_challenge()
        expires_at = now + timedelta(seconds=CHALLENGE_SECONDS)
        await queries.insert_challenge(db, challenge_id, caller, challenge, expires_at)
        return challenge_id, challenge

    async def spend(self, challenge_id: UUID, caller: User | None) -> bytes | None:
        """Return a challenge and let it be no more, before the answer is looked at.

        In a statement of its own: whoever answers wrongly has no second try. None if it is
        unknown, spent, expired, or for another session or purpose.
        """
        session_id = caller.session_id if caller else None
        return await queries.spend_challenge(self.db, challenge_id, session_id, self.clock.now())

    async def kill(self, tx: Tx, user_id: UUID) -> int:
        """Make a user's open challenges worthless; return how many there were."""
        return await queries.delete_challenges_of(tx, user_id)

    async def clean_up(self) -> None:
        """Delete what nobody answered in time."""
        await queries.delete_expired_challenges(self.db, self.clock.now())
