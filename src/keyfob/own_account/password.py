"""Changing one's own password."""

from dataclasses import dataclass

from pydantic import SecretStr

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.models import UnlockedAccount
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import User
from keyfob.core.addresses import share_of
from keyfob.core.database import Database
from keyfob.core.problems import Unauthenticated
from keyfob.devices.device import source_in_words
from keyfob.devices.source import Source
from keyfob.login.errors import InvalidCredentials
from keyfob.login.guarding import GuardedPasswords
from keyfob.mail import mails
from keyfob.mail.service import Mail
from keyfob.mfa.stepup import FactorStepUp
from keyfob.own_account.errors import NoPassword
from keyfob.passwords.service import Passwords
from keyfob.sessions.models import EndReason, OpenedSession
from keyfob.sessions.service import Sessions


@dataclass(frozen=True, kw_only=True)
class OwnPassword:
    """Sets a new password for users who know the present one."""

    db: Database
    credentials: Credentials
    step_up: FactorStepUp
    passwords: Passwords
    guard: GuardedPasswords
    sessions: Sessions
    mail: Mail
    audit: Audit

    async def change(
        self, caller: User, current: SecretStr, password: SecretStr, source: Source
    ) -> OpenedSession:
        """Change the caller's password; this session is renewed, all others end.

        Links stay valid. Threat: otherwise somebody who knows the password of an account that
        perhaps nobody has proven could invalidate each link before its reader opens it.

        Raises:
            InvalidCredentials: the present password is wrong.
            NoPassword: the account has no password.
            TooManyAttempts: too many failures for this account, including sign-ins.
            WeakPassword: the new password is refused, with the reason.
            Overloaded: more password checks wait than can be done in time.
            InsufficientAuthentication, Unauthenticated: see `FactorStepUp.ensure_standing`.
        """
        share = share_of(source.address, caller.user_id)
        self.passwords.ensure_capacity(share)
        account = await self.credentials.find_unlocked(caller.user_id)
        if account is None:
            raise Unauthenticated
        if account.password_hash is None:
            raise NoPassword
        # Before the present one is checked. Threat: a right guess of it, sent with a weak new one,
        # would be confirmed and leave nothing in the login log.
        await self.passwords.ensure_acceptable(password, account.email.normal, account.name)
        await self._prove(account, current, source)
        new_hash = await self.passwords.hash(password, share)
        return await self._replace(caller, account.password_hash, new_hash, source)

    async def _prove(self, account: UnlockedAccount, current: SecretStr, source: Source) -> None:
        """Check the present password.

        Threat: otherwise the thief of an access token could guess it without the throttle of
        sign-ins.
        """
        right = await self.guard.check(
            account.email, account, current, source, signed_in=account.id
        )
        await self.guard.forgive(right.reservation)

    async def _replace(
        self, caller: User, old_hash: str, new_hash: str, source: Source
    ) -> OpenedSession:
        user_id = caller.user_id
        async with self.db.begin() as tx:
            # First, so that a sign-in in progress comes before, and its session ends with the
            # others.
            await self.step_up.ensure_standing(tx, caller)
            if not await self.credentials.replace_password(tx, user_id, old_hash, new_hash):
                raise InvalidCredentials
            ended = await self.sessions.end_all(
                tx,
                user_id,
                EndReason.PASSWORD_CHANGED,
                but=caller.session_id,
                source=source,
            )
            session = await self.sessions.renew(tx, caller, caller.amr)
            await self.mail.tell(tx, user_id, mails.PasswordChanged(**source_in_words(source)))
            await self.audit.record(
                tx,
                action=Event.USER_PASSWORD_CHANGED,
                actor_id=user_id,
                target_id=user_id,
                new={"sessions_ended": ended},
                source=source,
            )
        return session
