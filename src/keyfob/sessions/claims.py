"""What the tokens of a user's sessions tell: the roles, and how the user has proven to be one.

A refresh reads both from the session's row and asks nothing else; so whatever changes either of
them changes the rows in the same transaction. Tokens that tell what is no longer so die with it;
the next refresh brings the new ones, and nobody is signed out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from keyfob.accounts.service import Accounts
from keyfob.authority.models import Role, User
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Tx
from keyfob.sessions import queries
from keyfob.sessions.revocations import Revocations


@dataclass(frozen=True, kw_only=True)
class SessionClaims:
    """Changes what sessions tell, and kills the tokens that tell what was before."""

    accounts: Accounts
    revocations: Revocations
    clock: Clock

    async def change_roles(self, tx: Tx, user_id: UUID, role: Role) -> None:
        """Carry new roles into the user's sessions, in the `tx` that changes or gives them.

        `role` is the account's; the further ones are read.
        """
        sub_gen, now = await self.accounts.begin_generation(tx, user_id), self.clock.now()
        await in_batches(partial(queries.update_roles_of_user, tx, user_id, sub_gen, role, now))
        await self.revocations.revoke_before(tx, user_id, sub_gen)

    async def strengthen(self, tx: Tx, caller: User, amr: Sequence[str]) -> None:
        """Write what the caller has just proven into the session; its next refresh tells so."""
        await queries.strengthen_session(
            tx, caller.session_id, caller.user_id, amr, self.clock.now()
        )

    async def forget_factor(self, tx: Tx, user_id: UUID, *, but: UUID | None = None) -> None:
        """Take `mfa` out of what the user's sessions have proven, of all or of all but one.

        Threat: a factor is removed because a thief has it, and what it has opened goes on.
        """
        issued_after = self.revocations.issued_after(self.clock.now())
        revoked: list[tuple[UUID, int]] = []

        async def weaken(at_most: int) -> int:
            amount, weakened = await queries.weaken_sessions(
                tx, user_id, but, issued_after, at_most
            )
            revoked.extend(weakened)
            return amount

        await in_batches(weaken)
        await self.revocations.revoke(tx, revoked)
