"""What concerns all sessions of a user at once, however many there are."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.accounts.service import Accounts
from keyfob.core.database import Tx
from keyfob.sessions.revocations import Revocations


@dataclass(frozen=True)
class Subjects:
    """Generations of users: one revocation for all their tokens, and not one for each session.

    Begin one, carry it into the rows of the sessions that go on, and revoke what was before, all in
    one transaction.
    """

    accounts: Accounts
    revocations: Revocations

    async def begin_generation(self, tx: Tx, user_id: UUID) -> int:
        """Hold the account, so that nobody signs in meanwhile, and return its next generation."""
        return await self.accounts.begin_generation(tx, user_id)

    async def revoke_before(self, tx: Tx, user_id: UUID, sub_gen: int) -> None:
        """Kill every token from before a generation."""
        await self.revocations.revoke(tx, [(user_id, sub_gen - 1)], kind="subject")
