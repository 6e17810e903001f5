"""The standing of a caller, checked again in the transaction that changes something.

A token is accepted from memory, and time passes before the change: a hash is computed, or a lock
waited for. Meanwhile the session may end, the account be blocked, or the role be taken away.
Threat: an administrator who is being demoted undoes it.
"""

from dataclasses import dataclass

from keyfob.accounts import locks
from keyfob.accounts.models import Account
from keyfob.authority.models import GivenRole, Held, Permission, User
from keyfob.authority.roles import Roles
from keyfob.core.clock import Clock
from keyfob.core.database import Tx
from keyfob.core.problems import Forbidden, Unauthenticated
from keyfob.sessions import revocation_queries


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Checks again, under the lock on the caller's account, that an access token is valid."""

    clock: Clock
    roles: Roles

    async def ensure(
        self,
        tx: Tx,
        caller: User,
        *,
        permission: Permission = Permission.ACCOUNT_READ,
        with_admins: bool = False,
    ) -> Account:
        """Lock the caller's account and return it.

        Call it first in each transaction that changes something for a signed-in user. Whatever ends
        a right locks the account as well, so one of the two comes first. Only with a `permission`,
        or with `with_admins`, may another account be locked after it (`locks.lock_with_admins`).

        Raises:
            Unauthenticated: the account is gone or blocked, the session has ended or expired, or
                tokens of this generation were revoked: by a new role, a new password or a new
                proof; or the factor that this sign-in used was removed.
            Forbidden: the roles that the account has now do not permit it.
        """
        administers = with_admins or permission is not Permission.ACCOUNT_READ
        lock = locks.lock_with_admins if administers else locks.lock
        account = await lock(tx, caller.user_id)
        if account is None or not account.is_active:
            raise Unauthenticated
        # After the account is locked, to see what another transaction has just ended.
        if not await revocation_queries.share_live_session(tx, caller, self.clock.now()):
            raise Unauthenticated
        # Every role has the first one: most calls ask no more.
        if permission is not Permission.ACCOUNT_READ and permission not in (
            await self.permissions_of(tx, account)
        ):
            raise Forbidden
        return account

    async def permissions_of(self, tx: Tx, account: Account) -> Held:
        """Return the permissions of the present roles of a locked account."""
        return await self.roles.permissions_given(tx, account.id, account.role)

    async def roles_of(self, tx: Tx, account: Account) -> list[GivenRole]:
        """Return the further roles that a locked account has now."""
        return await self.roles.list_given(tx, account.id)
