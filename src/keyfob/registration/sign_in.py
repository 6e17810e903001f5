"""Verifying an address with a password beside the link, which also signs in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from pydantic import SecretStr

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.email import Email
from keyfob.accounts.models import SignUp
from keyfob.core.addresses import share_of
from keyfob.core.database import Database
from keyfob.core.problems import Problem
from keyfob.devices.source import Source
from keyfob.limits.service import Reservation
from keyfob.login.errors import InvalidCredentials
from keyfob.login.guarding import GuardedPasswords, Owner, RightPassword
from keyfob.login.models import HashReplaced
from keyfob.login.service import Checked, Login
from keyfob.one_time_tokens.errors import InvalidLink
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.registration.verification import EmailVerification
from keyfob.sessions.models import OpenedSession


class _Asked(NamedTuple):
    """The account of the address, and the hashes that a password may match.

    For each hash there is its sign-up, or None if it is the account's own.
    """

    user_id: UUID
    email: Email
    hashes: Mapping[str, SignUp | None]


@dataclass(frozen=True, kw_only=True)
class VerifyingSignIn:
    """Signs in users who read the mail of an address and know a password of its account.

    That is the account's own password, or that of any waiting sign-up: strangers may have signed up
    with the address before the owner, and after.
    """

    db: Database
    credentials: Credentials
    links: OneTimeTokens
    guard: GuardedPasswords
    login: Login
    verification: EmailVerification

    async def confirm(self, token: str, password: SecretStr, source: Source) -> OpenedSession:
        """Redeem a link with a password: verify the address, end nothing, and open a session.

        Raises:
            InvalidLink: the link is not valid, or allows no more guesses.
            InvalidCredentials: the password is wrong. A link allows five guesses, and each counts
                as a failed sign-in.
            MfaRequired, AccountBlocked, PasswordChangeRequired: as at a sign-in; the address is
                verified then.
            TooManyAttempts, Overloaded: as at a sign-in; no guess of the link is lost.
        """
        self.login.passwords.ensure_capacity(share_of(source.address))
        try:
            return await self._confirm(token, password, source)
        except HashReplaced:
            pass  # usually by a parallel request, with a better hash of the same password
        try:
            return await self._confirm(token, password, source)
        except HashReplaced:
            raise InvalidCredentials from None

    async def _confirm(self, token: str, password: SecretStr, source: Source) -> OpenedSession:
        asked = await self._look_up(token)
        owner = Owner(asked.user_id, asked.email)
        stored, right = await self._check(token, owner, asked, password, source)
        # The password was right, whatever happens to the link: no failed guess.
        await self.guard.forgive(right.reservation)
        try:
            await self.verification.confirm_known(token, stored, asked.hashes[stored], source)
        except HashReplaced:
            await self.links.give_attempt_back(token)
            raise
        user = await self.credentials.find_for_sign_in(asked.email)
        if user is None or user.password_hash != stored:
            # Likewise, but the address is verified already, and the link used.
            return await self.login.with_password(asked.email, password, source)
        right = right._replace(reservation=Reservation())  # it was given back above
        checked = Checked(asked.email, user, stored, right)
        return await self.login.enter(checked, password, source)

    async def _check(
        self, token: str, owner: Owner, asked: _Asked, password: SecretStr, source: Source
    ) -> tuple[str, RightPassword]:
        """Use up a guess of the link; give it back if the password could not be checked."""
        if not await self.links.take_attempt(Kind.VERIFY_EMAIL, token):
            raise InvalidLink
        try:
            return await self.guard.find(owner, asked.hashes, password, source)
        except InvalidCredentials:
            raise
        except Problem:
            await self.links.give_attempt_back(token)
            raise

    async def _look_up(self, token: str) -> _Asked:
        link = await self.links.find(self.db, Kind.VERIFY_EMAIL, token)
        account = link and await self.credentials.find_unlocked(link.user_id)
        if link is None or link.email is None or account is None:
            raise InvalidLink
        hashes: dict[str, SignUp | None]
        if account.password_hash is not None:
            hashes = {account.password_hash: None}
        else:
            sign_ups = await self.links.list_sign_ups(self.db, account.id, link.email, link)
            hashes = {}
            for sign_up in sign_ups:  # the first of a password: the link's own, or the newer
                hashes.setdefault(sign_up.password_hash, sign_up)
        return _Asked(account.id, link.email, hashes)
