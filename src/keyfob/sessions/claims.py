"""Claims of a user's sessions: the roles, and the methods of authentication.

A refresh reads both from the session's row and nothing else, so whatever changes one of them
changes the rows in the same transaction. Tokens with outdated claims are revoked; the next refresh
returns new ones, and nobody is signed out.
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
    """Changes the claims of sessions, and revokes tokens with outdated ones."""

    accounts: Accounts
    revocations: Revocations
    clock: Clock

    async def change_roles(self, tx: Tx, user_id: UUID, role: Role) -> None:
        """Copy new roles to the user's sessions, in the `tx` that changes or gives them.

        `role` is the account's; the further roles are read from the database.
        """
        sub_gen, now = await self.accounts.begin_generation(tx, user_id), self.clock.now()
        await in_batches(partial(queries.update_roles_of_user, tx, user_id, sub_gen, role, now))
        await self.revocations.revoke_before(tx, user_id, sub_gen)

    async def strengthen(self, tx: Tx, caller: User, amr: Sequence[str]) -> None:
        """Add the methods that the caller has just used to the session, for its next refresh."""
        await queries.strengthen_session(
            tx, caller.session_id, caller.user_id, amr, self.clock.now()
        )

    async def forget_factor(self, tx: Tx, user_id: UUID, *, but: UUID | None = None) -> None:
        """Remove `mfa` from the user's sessions, all of them or all but one.

        Threat: a factor is removed because a thief has it, but sessions that it opened continue.
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
