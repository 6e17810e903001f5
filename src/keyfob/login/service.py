"""Signing in with a password."""

from dataclasses import dataclass
from typing import NamedTuple, NoReturn
from uuid import UUID

from pydantic import SecretStr

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.email import Email
from keyfob.accounts.models import SignInAccount, Status
from keyfob.core.addresses import share_of
from keyfob.core.database import Database
from keyfob.devices.source import Source
from keyfob.limits.service import Reservation
from keyfob.login.errors import InvalidCredentials
from keyfob.login.guarding import GuardedPasswords
from keyfob.login.models import HashReplaced
from keyfob.login.notices import Notices
from keyfob.login.refusing import Refusals
from keyfob.login.second_factor import SecondFactor
from keyfob.login_log.models import Reason, Seen
from keyfob.login_log.service import LoginLog
from keyfob.passwords.service import PasswordMatch, Passwords
from keyfob.sessions.models import OpenedSession
from keyfob.sessions.service import Sessions

_NOBODY = UUID(int=0)


class Checked(NamedTuple):
    """A password that was right.

    `stored` is the hash that it was held against; `reservation` is what is given back.
    """

    email: Email
    user: SignInAccount
    stored: str
    match: PasswordMatch
    reservation: Reservation
    seen: Seen


@dataclass(frozen=True)
class Login:
    """Turns proof of identity into a session."""

    db: Database
    credentials: Credentials
    passwords: Passwords
    sessions: Sessions
    guard: GuardedPasswords
    log: LoginLog
    notices: Notices
    refusals: Refusals
    second_factor: SecondFactor

    async def with_password(
        self, email: Email, password: SecretStr, source: Source
    ) -> OpenedSession:
        """Sign in.

        Raises:
            InvalidCredentials: unknown address or wrong password, alike in body and in time.
            MfaRequired: the password was right, and a second factor is to be shown.
            AccountBlocked: the password was right, the account is blocked.
            PasswordChangeRequired: the password was right, and is to be changed first.
            TooManyAttempts: too many failures for this account or this pair of address and account.
            Overloaded: more password checks wait than can be done in time.
        """
        return await self.enter(await self._check(email, password, source), password, source)

    async def _check(self, email: Email, password: SecretStr, source: Source) -> Checked:
        # Before the account is looked for: a refusal costs as little as it can.
        self.passwords.ensure_room(share_of(source.address))
        user = await self.credentials.find_for_sign_in(email)
        # Asked for an unknown e-mail, too: one round trip less could be timed.
        seen = await self.log.recall(self.db, user.id if user else _NOBODY, source)
        match, reservation = await self.guard.check(
            email, user, password, source, known=seen.network
        )
        if not user or not user.password_hash:  # pragma: no cover - no password matches none
            raise InvalidCredentials
        return Checked(email, user, user.password_hash, match, reservation, seen)

    async def enter(self, checked: Checked, password: SecretStr, source: Source) -> OpenedSession:
        """Do what follows a right password: the one door, whatever the password was asked for.

        Raises:
            MfaRequired, AccountBlocked, PasswordChangeRequired, InvalidCredentials,
            TooManyAttempts, Overloaded: as `with_password` says.
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
        await self.guard.forgive(checked.reservation)
        if checked.user.has_factor:
            await self.second_factor.ask(checked.user.id, checked.stored, checked.match, source)
        session = await self._open_session(checked, source)
        if session is None:
            await self._refuse(checked, source)
        return session

    async def _refuse(self, checked: Checked, source: Source) -> NoReturn:
        """Tell why a right password opened no session, by what the account is by now.

        A password that was changed while it was being checked is as any wrong one; a factor that
        was added meanwhile is asked for.
        """
        email, user, stored, match, *_ = checked
        hashes = {stored, match.new_hash or stored}
        current = await self.credentials.find_for_sign_in(email)
        if current is not None:
            if current.password_hash not in hashes:
                await self.log.refused(self.db, email, user.id, Reason.WRONG_PASSWORD, source)
                raise InvalidCredentials
            if current.has_factor:
                await self.second_factor.ask(user.id, stored, match, source)
        await self.refusals.refuse(user.id, source, checked=hashes)

    async def _open_session(self, checked: Checked, source: Source) -> OpenedSession | None:
        """Open the session and write the sign-in; None where the account may have none."""
        _, user, stored, match, _, seen = checked
        if user.status is not Status.ACTIVE:
            return None
        async with self.db.begin() as tx:
            if match.new_hash:  # before the session: two first sign-ins at once must not deadlock
                if not await self.credentials.improve_hash(tx, user.id, stored, match.new_hash):
                    # Threat: it is another password by now, and this session would outlive it.
                    raise HashReplaced
                stored = match.new_hash
            session = await self.sessions.open(tx, user.id, source, password_hash=stored)
            if session is not None:
                await self.notices.of_sign_in(
                    tx, user.id, Reason.PASSWORD, source, session.id, seen
                )
        return session
