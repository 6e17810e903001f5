"""Whether a caller still may: asked again in the transaction that changes something.

A token is believed from memory, and between that and the change there is time: a hash is
computed, a lock is waited for. Meanwhile the session may be ended, the account blocked, the role
taken. Threat: an administrator who is being demoted undoes it.
"""

from dataclasses import dataclass

from keyfob.accounts import locks
from keyfob.accounts.models import Account
from keyfob.authority.models import Role, User
from keyfob.core.clock import Clock
from keyfob.core.database import Tx
from keyfob.core.problems import Forbidden, Unauthenticated
from keyfob.sessions import revocation_queries


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Asks, under the lock on the caller's account, what the access token was believed for."""

    clock: Clock

    async def ensure(
        self, tx: Tx, caller: User, *, role: Role = Role.USER, with_admins: bool = False
    ) -> Account:
        """Lock the caller's account and return it.

        Call it first in each transaction that changes something for somebody signed in. Whatever
        ends a right locks the account as well, so one of the two comes first. Only with a `role`,
        or `with_admins`, may another account be locked after it (`locks.lock_with_admins`).

        Raises:
            Unauthenticated: the account is gone or blocked, the session has ended or expired, or
                tokens of this generation were revoked: by a new role, a new password, a new proof.
            Forbidden: the account has not that role.
        """
        lock = locks.lock_with_admins if with_admins or role is not Role.USER else locks.lock
        account = await lock(tx, caller.user_id)
        if account is None or not account.is_active:
            raise Unauthenticated
        # Once the account is locked, so that what another transaction has just ended is seen.
        if not await revocation_queries.share_live_session(tx, caller, self.clock.now()):
            raise Unauthenticated
        if not account.role.includes(role):
            raise Forbidden
        return account
