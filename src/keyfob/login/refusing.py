"""Who has proven who they are and is given no session all the same, and why."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NoReturn
from uuid import UUID

from keyfob.accounts import locks
from keyfob.accounts.models import Account
from keyfob.core.database import Database, Tx
from keyfob.core.problems import Problem
from keyfob.devices.source import Source
from keyfob.login.errors import AccountBlocked, InvalidCredentials, PasswordChangeRequired
from keyfob.login_log.models import Reason
from keyfob.login_log.service import LoginLog
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens

# Each sign-in makes one; whoever knows the password cannot fill the table.
_MOST_TOKENS = 10


@dataclass(frozen=True)
class Refusals:
    """Tells why `Sessions.open` gave nothing, once every factor has been shown."""

    db: Database
    links: OneTimeTokens
    log: LoginLog

    async def refuse(self, user_id: UUID, source: Source, *, checked: Collection[str]) -> NoReturn:
        """Write the refused sign-in into the log, and raise the refusal.

        `checked`: the hash that the password was held against, and what was to take its place.

        Raises:
            InvalidCredentials: the password is another by now.
            PasswordChangeRequired, AccountBlocked: as `write` returns them.
        """
        async with self.db.begin() as tx:
            account = await locks.lock(tx, user_id)
            refusal = await self.write(tx, user_id, account, source, checked=checked)
        raise refusal

    async def write(
        self,
        tx: Tx,
        user_id: UUID,
        account: Account | None,
        source: Source,
        *,
        checked: Collection[str] | None = None,
    ) -> Problem:
        """Write the refused sign-in into the log, and return what to raise after the commit.

        That is `PasswordChangeRequired`, with the token by which a password is chosen, or
        `AccountBlocked`: blocked, gone, or with an address that is to be proven first; of a
        password that was `checked` and is another by now `InvalidCredentials`.

        Args:
            tx: the transaction that locks the account.
            user_id: whose sign-in it was.
            account: as it was locked; None where it is gone.
            source: where the request came from.
            checked: as `refuse` takes it; None where no password was shown.
        """
        reason, refusal = await self._reason(tx, account, checked)
        await self.log.refused(tx, None, user_id, reason, source)
        return refusal

    async def _reason(
        self, tx: Tx, account: Account | None, checked: Collection[str] | None
    ) -> tuple[Reason, Problem]:
        if account is not None and checked is not None and account.password_hash not in checked:
            # Threat: the token below would undo what has just made the password worthless.
            return Reason.WRONG_PASSWORD, InvalidCredentials()
        if account is None or not account.is_active:
            return Reason.BLOCKED, AccountBlocked()
        if not account.must_change_password:
            return Reason.UNVERIFIED, AccountBlocked()
        # No address with it: who knows the password that an administrator gave has proven none.
        token = await self.links.issue(tx, account.id, Kind.CHANGE_PASSWORD)
        await self.links.kill_older(tx, account.id, Kind.CHANGE_PASSWORD, kept=_MOST_TOKENS)
        return Reason.PASSWORD_CHANGE_REQUIRED, PasswordChangeRequired(token)
