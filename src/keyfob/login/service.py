"""Signing in with a password."""

from dataclasses import dataclass
from typing import NamedTuple

from pydantic import SecretStr

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.email import Email
from keyfob.accounts.models import SignInAccount
from keyfob.core.addresses import share_of
from keyfob.core.database import Database, Tx
from keyfob.core.problems import Problem
from keyfob.devices.source import Source
from keyfob.login.door import AMR_PASSWORD, Door, let_in
from keyfob.login.errors import InvalidCredentials
from keyfob.login.guarding import GuardedPasswords, RightPassword
from keyfob.login.models import HashReplaced, Proof
from keyfob.login_log.models import Reason
from keyfob.passwords.service import Passwords
from keyfob.sessions.models import OpenedSession


class Checked(NamedTuple):
    """A password that was right; `stored` is the hash that it was checked against."""

    email: Email
    user: SignInAccount
    stored: str
    right: RightPassword


@dataclass(frozen=True, kw_only=True)
class Login:
    """Signs users in with their password."""

    db: Database
    credentials: Credentials
    passwords: Passwords
    guard: GuardedPasswords
    door: Door

    async def with_password(
        self, email: Email, password: SecretStr, source: Source
    ) -> OpenedSession:
        """Sign a user in.

        Raises:
            InvalidCredentials: unknown address or wrong password, alike in body and in time.
            MfaRequired: the password was right, and a second factor has to be presented.
            AccountBlocked: the password was right, but the account is blocked.
            PasswordChangeRequired: the password was right, but has to be changed first.
            TooManyAttempts: too many failures for this account, or for this pair of client and
                account.
            Overloaded: more password checks wait than can be done in time.
        """
        return await self.enter(await self._check(email, password, source), password, source)

    async def _check(self, email: Email, password: SecretStr, source: Source) -> Checked:
        # Before the account is looked up: a refusal costs as little as possible.
        self.passwords.ensure_capacity(share_of(source.address))
        user = await self.credentials.find_for_sign_in(email)
        right = await self.guard.check(email, user, password, source)
        if not user or not user.password_hash:  # no password matches none
            raise InvalidCredentials
        return Checked(email, user, user.password_hash, right)

    async def enter(self, checked: Checked, password: SecretStr, source: Source) -> OpenedSession:
        """Sign a user in whose password was right, whatever it was checked for.

        Raises:
            MfaRequired, AccountBlocked, PasswordChangeRequired, InvalidCredentials,
                TooManyAttempts, Overloaded: see `with_password`.
        """
        try:
            return await self._enter(checked, source)
        except HashReplaced:
            checked = await self._check(checked.email, password, source)
        try:
            return await self._enter(checked, source)
        except HashReplaced:
            raise InvalidCredentials from None

    async def _enter(self, checked: Checked, source: Source) -> OpenedSession:
        await self.guard.forgive(checked.right.reservation)
        async with self.db.begin() as tx:
            proof = await self._prove(tx, checked, source)
            ended: OpenedSession | Problem | None
            if checked.user.has_factor:
                ended = await self.door.ask_for_factor(tx, proof)
            else:
                ended = await self.door.open(tx, proof)
        if ended is None:
            await self.door.refuse(proof)
        return let_in(ended)

    async def _prove(self, tx: Tx, checked: Checked, source: Source) -> Proof:
        """Return the proof; store a better hash of the same password first, if there is one.

        This comes before the session is opened: two first sign-ins at once must not deadlock.

        Raises:
            HashReplaced: the password has changed meanwhile. Threat: the session would outlive it.
        """
        _, user, stored, (match, _, seen) = checked
        if match.new_hash:
            if not await self.credentials.improve_hash(tx, user.id, stored, match.new_hash):
                raise HashReplaced
            stored = match.new_hash
        return Proof(user.id, AMR_PASSWORD, Reason.PASSWORD, source, stored, seen)
