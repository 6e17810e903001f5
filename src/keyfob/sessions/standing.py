"""Whether a caller still may: asked again in the transaction that changes something.

The door believes a token from memory, and between it and the change there is time: a hash is
computed, a lock is waited for. Meanwhile the session may be ended, the account blocked, the role
taken. Threat: an administrator who is being demoted undoes it.
"""

from dataclasses import dataclass

from asyncpg import Record

from keyfob.core.authority import Caller, Role
from keyfob.core.clock import Clock
from keyfob.core.database import Tx
from keyfob.core.problems import Forbidden, Unauthenticated
from keyfob.sessions import revocation_queries
from keyfob.users.models import Status
from keyfob.users.own import OwnAccounts
from keyfob.users.service import Users


@dataclass(frozen=True)
class Standing:
    """Asks, under the lock on the caller's account, what the access token was believed for."""

    users: Users
    accounts: OwnAccounts
    clock: Clock

    async def ensure(self, tx: Tx, caller: Caller, *, role: Role = Role.USER) -> Record:
        """Hold the caller's account until the commit and return it, as `OwnAccounts.hold` does.

        Call it first in each transaction that changes something for somebody signed in. Whatever
        ends a right holds the account as well, so one of the two comes first. With a `role`
        `Users.hold_admins` comes before: go on to another account by `Users.hold`, and to none
        without a `role`.

        Raises:
            Unauthenticated: the account is gone or blocked, the session has ended or expired, or
                tokens of this generation were revoked: by a new role, a new password, a new proof.
            Forbidden: the account has not that role.
        """
        if role is not Role.USER:
            await self.users.hold_admins(tx)
        account = await self.accounts.hold(tx, caller.user_id)
        if account is None or account["status"] != Status.ACTIVE:
            raise Unauthenticated
        # Once the account is held, so that what another transaction has just ended is seen.
        if not await revocation_queries.share_live_session(tx, caller, self.clock.now()):
            raise Unauthenticated
        if not Role(account["role"]).includes(role):
            raise Forbidden
        return account
