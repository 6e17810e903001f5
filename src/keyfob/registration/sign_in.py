"""Proving an address with the password beside the link, which signs in."""

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
    """Whose address it is, and the hashes that a password may fit.

    To each the sign-up that it came with, or None where it is the account's own.
    """

    user_id: UUID
    email: Email
    hashes: Mapping[str, SignUp | None]


@dataclass(frozen=True, kw_only=True)
class VerifyingSignIn:
    """Lets in who reads the mail of an address and knows a password of its account.

    That is the account's own, or that of any sign-up which waits with the address: strangers may
    have signed up with it before the owner, and after.
    """

    db: Database
    credentials: Credentials
    links: OneTimeTokens
    guard: GuardedPasswords
    login: Login
    verification: EmailVerification

    async def confirm(self, token: str, password: SecretStr, source: Source) -> OpenedSession:
        """Take a link and a password: the address is proven, nothing ends, and a session opens.

        Raises:
            InvalidLink: the link is not good, or takes no more guesses.
            InvalidCredentials: the password is another. A link takes five guesses, and each counts
                as a failed sign-in.
            MfaRequired, AccountBlocked, PasswordChangeRequired: as at a sign-in; the address is
                proven then.
            TooManyAttempts, Overloaded: as at a sign-in; a guess of the link is not lost.
        """
        self.login.passwords.ensure_room(share_of(source.address))
        try:
            return await self._confirm(token, password, source)
        except HashReplaced:
            pass  # most often by a twin, with a better hash of the same password
        try:
            return await self._confirm(token, password, source)
        except HashReplaced:
            raise InvalidCredentials from None

    async def _confirm(self, token: str, password: SecretStr, source: Source) -> OpenedSession:
        asked = await self._look_up(token)
        owner = Owner(asked.user_id, asked.email)
        stored, right = await self._check(token, owner, asked, password, source)
        # It was right, whatever becomes of the link: no failed guess.
        await self.guard.forgive(right.reservation)
        try:
            await self.verification.confirm_known(token, stored, asked.hashes[stored], source)
        except HashReplaced:
            await self.links.give_attempt_back(token)
            raise
        user = await self.credentials.find_for_sign_in(asked.email)
        if user is None or user.password_hash != stored:
            # Likewise, but the address is proven by now, and the link spent.
            return await self.login.with_password(asked.email, password, source)
        right = right._replace(reservation=Reservation())  # it was given back above
        checked = Checked(asked.email, user, stored, right)
        return await self.login.enter(checked, password, source)

    async def _check(
        self, token: str, owner: Owner, asked: _Asked, password: SecretStr, source: Source
    ) -> tuple[str, RightPassword]:
        """Take one of the guesses of the link, and give it back if it could not be looked at."""
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
            for sign_up in sign_ups:  # of two of one password the first: the link's own, or newer
                hashes.setdefault(sign_up.password_hash, sign_up)
        return _Asked(account.id, link.email, hashes)
