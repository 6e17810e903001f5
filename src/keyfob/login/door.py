"""The one door at the end of every sign-in, whatever proved the user's identity.

A flow checks a password, a factor or a passkey, and makes a proof of it. The door opens the
session, writes the login log and notifies the owner of a sign-in from a new place; or it logs the
refusal and raises it. The result is a session, for which the route then has tokens issued.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn
from uuid import UUID

from keyfob.accounts import locks
from keyfob.accounts.models import Account
from keyfob.authority.models import User
from keyfob.core.database import Database, Tx
from keyfob.core.problems import Problem
from keyfob.devices.source import Source
from keyfob.login.errors import (
    AccountBlocked,
    InvalidCredentials,
    MfaRequired,
    PasswordChangeRequired,
)
from keyfob.login.models import HashReplaced, Proof
from keyfob.login.notices import Notices
from keyfob.login.pending import PENDING_SECONDS, PendingLogins
from keyfob.login_log.models import Reason, Seen
from keyfob.login_log.service import LoginLog
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.service import Factors
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.sessions.models import OpenedSession
from keyfob.sessions.service import Sessions

AMR_PASSWORD = ("pwd",)

# Each sign-in issues one; somebody who knows the password must not fill the table.
_MOST_TOKENS = 10


@dataclass(frozen=True, kw_only=True)
class Door:
    """Ends sign-ins: with a session, with a demand for a factor, or with a refusal."""

    db: Database
    sessions: Sessions
    pending: PendingLogins
    factors: Factors
    links: OneTimeTokens
    log: LoginLog
    notices: Notices

    async def open(self, tx: Tx, proof: Proof) -> OpenedSession | None:
        """Open a session; None if the account may have none: `refuse` then tells why.

        Raises:
            NoSigningKey: see `Sessions.open`.
        """
        session = await self.sessions.open(
            tx, proof.user_id, proof.source, proof.amr, password_hash=proof.password_hash
        )
        if session is not None:
            await self._write(tx, proof, session)
        return session

    async def renew(
        self, tx: Tx, caller: User, amr: Sequence[str], source: Source
    ) -> OpenedSession:
        """Renew the session of a caller, whose identity was proven once more.

        Raises:
            Unauthenticated, NoSigningKey: see `Sessions.renew`.
        """
        session = await self.sessions.renew(tx, caller, amr)
        await self._write(tx, Proof(caller.user_id, amr, Reason.REAUTHENTICATED, source), session)
        return session

    async def ask_for_factor(self, tx: Tx, proof: Proof) -> MfaRequired:
        """Begin a pending login; return the exception to raise after the commit.

        Raises:
            HashReplaced: the password has changed meanwhile, or the account is gone.
        """
        token = await self.pending.begin(tx, proof)
        if token is None:
            raise HashReplaced
        return MfaRequired(token, PENDING_SECONDS, await self.factors.list(tx, proof.user_id))

    async def enter(self, tx: Tx, account: Account | None, proof: Proof) -> OpenedSession | Problem:
        """Open a session of an account that `tx` has locked, or log and return the refusal.

        Pass the result to `let_in` after the commit.

        Raises:
            NoSigningKey: see `Sessions.open`.
        """
        return await self.open(tx, proof) or await self._refusal(tx, account, proof)

    async def refuse(self, proof: Proof) -> NoReturn:
        """Log and raise the reason why `open` returned None, in a transaction of its own.

        Raises:
            InvalidCredentials: the password has changed meanwhile.
            MfaRequired: a factor was added meanwhile.
            PasswordChangeRequired: with the token for choosing a password.
            AccountBlocked: the account is blocked or gone, or its address has to be verified first.
        """
        async with self.db.begin() as tx:
            account = await locks.lock(tx, proof.user_id)
            refusal = await self._refusal(tx, account, proof)
        raise refusal

    async def refuse_factor(
        self, user_id: UUID | None, source: Source, reason: Reason = Reason.WRONG_FACTOR
    ) -> NoReturn:
        """Log that a factor was wrong, and refuse; `user_id` is its supposed owner, if known.

        Raises:
            InvalidFactor: always.
        """
        await self.log.refused(self.db, None, user_id, reason, source)
        raise InvalidFactor

    async def _write(self, tx: Tx, proof: Proof, session: OpenedSession) -> None:
        user_id, source, seen = proof.user_id, proof.source, proof.seen
        if seen is None:
            seen = await self.log.recall(tx, user_id, source)
        await self.log.succeeded(tx, user_id, proof.reason, source, session.id)
        if _is_new(seen, source):
            await self.notices.request(tx, user_id, source)

    async def _refusal(self, tx: Tx, account: Account | None, proof: Proof) -> Problem:
        """Log why a locked account was given no session; return the exception to raise."""
        refusal: Problem
        if account is None:
            reason, refusal = Reason.BLOCKED, AccountBlocked()
        elif proof.password_hash not in {None, account.password_hash}:
            # Threat: the token below would undo the change that has just invalidated the password.
            reason, refusal = Reason.WRONG_PASSWORD, InvalidCredentials()
        elif "mfa" not in proof.amr and await self.factors.has_any(tx, account.id):
            return await self.ask_for_factor(tx, proof)  # logged when the wait ends
        elif not account.is_active:
            reason, refusal = Reason.BLOCKED, AccountBlocked()
        elif not account.must_change_password:
            reason, refusal = Reason.UNVERIFIED, AccountBlocked()
        else:
            reason, refusal = Reason.PASSWORD_CHANGE_REQUIRED, await self._let_change(tx, account)
        await self.log.refused(tx, None, proof.user_id, reason, proof.source)
        return refusal

    async def _let_change(self, tx: Tx, account: Account) -> PasswordChangeRequired:
        # Without the address: knowing the password that an administrator chose does not prove it.
        token = await self.links.issue(tx, account.id, Kind.CHANGE_PASSWORD)
        await self.links.kill_older(tx, account.id, Kind.CHANGE_PASSWORD, kept=_MOST_TOKENS)
        return PasswordChangeRequired(token)


def let_in(ended: OpenedSession | Problem) -> OpenedSession:
    """Return the session, or raise the refusal; after the commit, so that both are logged.

    Raises:
        MfaRequired, InvalidCredentials, PasswordChangeRequired, AccountBlocked: see `Door.refuse`.
    """
    if isinstance(ended, Problem):
        raise ended
    return ended


def _is_new(seen: Seen, source: Source) -> bool:
    """Tell whether the owner should be notified; not for the very first sign-in."""
    knows_network = seen.network or source.address is None  # a unix socket has none
    return seen.ever and not (knows_network and seen.device)
