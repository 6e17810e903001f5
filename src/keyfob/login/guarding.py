"""Checks of passwords and codes that make guessing slow, for every purpose."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from pydantic import SecretStr

from keyfob.accounts.email import Email
from keyfob.accounts.models import SignInAccount, UnlockedAccount
from keyfob.core.addresses import UNKNOWN, share_of
from keyfob.core.database import Database
from keyfob.core.departures import ClientGone
from keyfob.core.problems import Problem
from keyfob.devices.source import Source
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.service import FactorThrottle, Reservation, SignInThrottle
from keyfob.login.errors import InvalidCredentials
from keyfob.login_log.models import Reason, Seen
from keyfob.login_log.service import LoginLog
from keyfob.passwords.service import PasswordMatch, Passwords

_NOBODY = UUID(int=0)


class RightPassword(NamedTuple):
    """A password that was right: pass the `reservation` to `forgive`.

    `seen` is what the login log knows of the place that it came from.
    """

    match: PasswordMatch
    reservation: Reservation
    seen: Seen


class Owner(NamedTuple):
    """An existing account, whose password is checked."""

    user_id: UUID
    email: Email


@dataclass(frozen=True, kw_only=True)
class GuardedPasswords:
    """Checks passwords under the sign-in throttle; a refused guess is in the login log.

    Sign-ins and re-authentications are counted together: a stolen access token gives nobody more
    guesses than a stranger has.
    """

    db: Database
    passwords: Passwords
    throttle: SignInThrottle
    log: LoginLog

    async def check(
        self,
        email: Email,
        user: SignInAccount | UnlockedAccount | None,
        password: SecretStr,
        source: Source,
        signed_in: UUID | None = None,
    ) -> RightPassword:
        """Check the password of an account, or of none.

        After too many failures at the account, a network from which it never signed in is refused
        whatever the password, and a known network only if the password is wrong. Answers and times
        are alike, so that nobody sees which case it is, or whether the account exists.

        Args:
            email: the address that the attempt is counted under.
            user: its account; None costs the same and gets the same answer.
            password: the guess.
            source: the source of the request.
            signed_in: the id of the user who asks, if there is a session.

        Raises:
            InvalidCredentials: unknown address or wrong password, alike in body and in time.
            TooManyAttempts: too many failures for this account, or for this pair of client and
                account.
            Overloaded: more password checks wait than can be done in time.
        """
        user_id: UUID | None = user.id if user else None
        # Looked up for an unknown e-mail, too: one round trip less could be measured.
        seen = await self.log.recall(self.db, user_id or _NOBODY, source)
        reservation = await self._reserve(email, user_id, source)
        looks = seen.network or reservation.refusal is None
        share = share_of(source.address, signed_in)
        stored = user.password_hash if user else None
        checked = self.passwords.checkable(stored, email.normal)
        # An unknown e-mail costs the same; no connection is held meanwhile.
        check = self.passwords.matches if looks else self.passwords.pretend
        async with self._counting(reservation, email, user_id, source):
            match = await check(password, checked, share)
        if user is None or not match:
            reason = _reason(user) if looks else Reason.THROTTLED
            await self.log.refused(self.db, email, user_id, reason, source)
            raise reservation.refusal or InvalidCredentials()
        return RightPassword(match, reservation, seen)

    async def find(
        self, owner: Owner, stored: Collection[str], password: SecretStr, source: Source
    ) -> tuple[str, RightPassword]:
        """Find the one of several hashes that a password matches, counted as one attempt.

        It is for somebody who has proven access to the owner's mail: failures elsewhere lock nobody
        out here.

        Raises:
            InvalidCredentials: it matches none.
            TooManyAttempts: too many failures from this client.
            Overloaded: see `check`.
        """
        seen = await self.log.recall(self.db, owner.user_id, source)
        reservation = await self._reserve(owner.email, owner.user_id, source)
        share = share_of(source.address)
        async with self._counting(reservation, owner.email, owner.user_id, source):
            found = await self.passwords.find(password, stored, owner.email.normal, share)
        if found:
            stored, match = found
            return stored, RightPassword(match, reservation, seen)
        reason = Reason.WRONG_PASSWORD
        await self.log.refused(self.db, owner.email, owner.user_id, reason, source)
        raise InvalidCredentials

    async def forgive(self, reservation: Reservation) -> None:
        """Give back the attempt, whose password was right."""
        await self.throttle.forgive(reservation)

    async def _reserve(self, email: Email, user_id: UUID | None, source: Source) -> Reservation:
        """Count the attempt before the password is checked, so that parallel guesses all count."""
        try:
            return await self.throttle.reserve(email.normal, source.address or UNKNOWN)
        except TooManyAttempts:
            await self.log.throttled(self.db, email, user_id, source)
            raise

    @asynccontextmanager
    async def _counting(
        self, reservation: Reservation, email: Email, user_id: UUID | None, source: Source
    ) -> AsyncIterator[None]:
        """Give the attempt back if its password cannot be checked.

        If the client leaves, it stays counted and is logged. Threat: somebody who always leaves
        would fill the windows of an account without a trace.
        """
        try:
            yield
        except ClientGone:
            await self.log.refused(self.db, email, user_id, Reason.CLIENT_LEFT, source)
            raise
        except Problem:
            await self.throttle.withdraw(reservation)
            raise


@dataclass(frozen=True, kw_only=True)
class GuardedCodes:
    """Counts authenticator codes before they are checked, and logs throttled attempts.

    Sign-ins and re-authentications are counted together, as with passwords.
    """

    db: Database
    throttle: FactorThrottle
    log: LoginLog

    async def reserve(
        self, user_id: UUID, source: Source, *, session_id: UUID | None = None
    ) -> Reservation:
        """Count a code of an account; pass the reservation to `forgive` if the code is right.

        At a re-authentication, pass the session as well.

        Raises:
            TooManyAttempts: too many wrong codes for this account, in all sign-ins and sessions, or
                by this session.
        """
        try:
            return await self.throttle.reserve(str(user_id), session_id=session_id)
        except TooManyAttempts:
            await self.log.throttled(self.db, None, user_id, source)
            raise

    async def forgive(self, reservation: Reservation) -> None:
        """Give back the attempt, whose code was right."""
        await self.throttle.forgive(reservation)


def _reason(user: SignInAccount | UnlockedAccount | None) -> Reason:
    if user is None:
        return Reason.UNKNOWN_EMAIL
    # Its password was not checked, so nothing is said about it.
    waits = isinstance(user, SignInAccount) and user.waits_for_email
    return Reason.UNVERIFIED if waits else Reason.WRONG_PASSWORD
