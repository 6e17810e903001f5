"""Challenges: random bytes for a passkey to sign, valid for one answer within five minutes."""

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
    """Return new random bytes."""
    return random_bytes(_BYTES)


@dataclass(frozen=True, kw_only=True)
class Challenges:
    """Stores challenges in the database, so that any worker can check the answer."""

    db: Database
    clock: Clock

    async def issue(self, db: Executor, caller: User | None) -> tuple[UUID, bytes]:
        """Return a new challenge and its id.

        With a caller, it is for an action in this session; without one, for a sign-in by passkey
        alone. It is not valid for the other purpose.
        """
        now = self.clock.now()
        challenge_id, challenge = new_id(now), new_challenge()
        expires_at = now + timedelta(seconds=CHALLENGE_SECONDS)
        await queries.insert_challenge(db, challenge_id, caller, challenge, expires_at)
        return challenge_id, challenge

    async def spend(self, challenge_id: UUID, caller: User | None) -> bytes | None:
        """Return a challenge and delete it, before the answer is checked.

        This is a statement of its own: a wrong answer gets no second attempt. None if it is
        unknown, used, expired, or belongs to another session or purpose.
        """
        session_id = caller.session_id if caller else None
        return await queries.spend_challenge(self.db, challenge_id, session_id, self.clock.now())

    async def kill(self, tx: Tx, user_id: UUID) -> int:
        """Delete a user's open challenges; return their number."""
        return await queries.delete_challenges_of(tx, user_id)

    async def clean_up(self) -> None:
        """Delete expired challenges."""
        await queries.delete_expired_challenges(self.db, self.clock.now())
