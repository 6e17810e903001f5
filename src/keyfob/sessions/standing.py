"""Whether a caller still may: asked again in the transaction that changes something.

A token is believed from memory, and between that and the change there is time: a hash is
computed, a lock is waited for. Meanwhile the session may be ended, the account blocked, the role
taken. Threat: an administrator who is being demoted undoes it.
"""

from dataclasses import dataclass

from keyfob.accounts import locks
from keyfob.accounts.models import Account
from keyfob.authority.models import Permission, User
from keyfob.authority.roles import Roles
from keyfob.core.clock import Clock
from keyfob.core.database import Tx
from keyfob.core.problems import Forbidden, Unauthenticated
from keyfob.sessions import revocation_queries


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Asks, under the lock on the caller's account, what the access token was believed for."""

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

        Call it first in each transaction that changes something for somebody signed in. Whatever
        ends a right locks the account as well, so one of the two comes first. Only with a
        `permission`, or `with_admins`, may another account be locked after it
        (`locks.lock_with_admins`).

        Raises:
            Unauthenticated: the account is gone or blocked, the session has ended or expired, or
                tokens of this generation were revoked: by a new role, a new password, a new proof.
            Forbidden: the roles that the account has now do not permit it.
        """
        administers = with_admins or permission is not Permission.ACCOUNT_READ
        lock = locks.lock_with_admins if administers else locks.lock
        account = await lock(tx, caller.user_id)
        if account is None or not account.is_active:
            raise Unauthenticated
        # Once the account is locked, so that what another transaction has just ended is seen.
        if not await revocation_queries.share_live_session(tx, caller, self.clock.now()):
            raise Unauthenticated
        if permission is not Permission.ACCOUNT_READ:
            await self.ensure_permitted(tx, account, permission)
        return account

    async def ensure_permitted(self, tx: Tx, account: Account, permission: Permission) -> None:
        """Ask whether the roles of an account that `tx` holds permit something.

        Raises:
            Forbidden: they do not.
        """
        if permission not in await self.permissions_of(tx, account):
            raise Forbidden

    async def permissions_of(self, tx: Tx, account: Account) -> frozenset[str]:
        """Return what the roles permit that an account that `tx` holds has now."""
        given = await self.roles.list_given(tx, account.id)
        return self.roles.permissions_of_roles((account.role, *(one.role for one in given)))
