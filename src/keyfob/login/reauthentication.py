"""Re-authentication, for actions that need a recent sign-in (RFC 9470)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from keyfob.accounts.credentials import Credentials
from keyfob.authority.models import User
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.problems import Unauthenticated
from keyfob.devices.source import Source
from keyfob.login.door import AMR_PASSWORD, Door
from keyfob.login.errors import InvalidCredentials
from keyfob.login.guarding import GuardedCodes, GuardedPasswords
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.models import AMR_CODE, AMR_PASSKEY_ALONE
from keyfob.mfa.passkeys.service import Passkeys
from keyfob.mfa.service import Factors
from keyfob.mfa.stepup import FactorStepUp
from keyfob.sessions.models import OpenedSession
from keyfob.sessions.standing import Standing


@dataclass(frozen=True, kw_only=True)
class Reauthentication:
    """Gives a session new tokens with a new `auth_time`.

    A user with a factor presents the factor alone: the session began with the rest, and `amr` still
    says so. Attempts count in the same throttles as sign-ins: a stolen access token is worth no
    extra guess.
    """

    db: Database
    credentials: Credentials
    standing: Standing
    guard: GuardedPasswords
    codes: GuardedCodes
    factors: Factors
    passkeys: Passkeys
    step_up: FactorStepUp
    door: Door

    async def with_password(
        self, caller: User, password: SecretStr, source: Source
    ) -> OpenedSession:
        """Re-authenticate by the password, if the user has no factor.

        Raises:
            InsufficientAuthentication: the user has a factor, which must be presented instead.
            InvalidCredentials: the password is wrong.
            TooManyAttempts: too many failures for this account, including sign-ins.
            Overloaded: more password checks wait than can be done in time.
            Unauthenticated: see `Standing.ensure`.
        """
        await self._ensure_no_factor(self.db, caller)
        account = await self.credentials.find_unlocked(caller.user_id)
        if account is None:
            raise Unauthenticated
        right = await self.guard.check(
            account.email, account, password, source, signed_in=caller.user_id
        )
        async with self.db.begin() as tx:
            locked = await self.standing.ensure(tx, caller)
            await self._ensure_no_factor(tx, caller)
            if locked.password_hash != account.password_hash:
                raise InvalidCredentials  # it was changed during the check
            session = await self.door.renew(tx, caller, AMR_PASSWORD, source)
        await self.guard.forgive(right.reservation)
        return session

    async def with_code(self, caller: User, code: str, source: Source) -> OpenedSession:
        """Re-authenticate by a code of an authenticator app.

        Raises:
            InvalidFactor: the code is not a current one, or was used before.
            TooManyAttempts: too many wrong codes, at sign-ins or here, or by this session.
            Unauthenticated: see `Standing.ensure`.
        """
        reservation = await self.codes.reserve(caller.user_id, source, session_id=caller.session_id)
        try:
            async with self.db.begin() as tx:
                await self._spend_code(tx, caller, code)
                amr = _joined(caller.amr, AMR_CODE)
                session = await self.door.renew(tx, caller, amr, source)
        except InvalidFactor:
            await self.door.refuse_factor(caller.user_id, source)
        await self.codes.forgive(reservation)
        return session

    async def with_passkey(
        self, caller: User, challenge_id: UUID, credential: dict[str, Any], source: Source
    ) -> OpenedSession:
        """Re-authenticate by a passkey, which answers the challenge of `/login/passkey/options`.

        Raises:
            InvalidFactor: for whatever reason; the log says which.
            Unauthenticated: see `Standing.ensure`.
        """
        try:
            shown = await self.passkeys.verify_alone(challenge_id, credential, caller.user_id)
            async with self.passkeys.begin() as tx:
                await self.standing.ensure(tx, caller)
                await self.passkeys.note_use(tx, shown)
                amr = _joined(caller.amr, AMR_PASSKEY_ALONE)
                return await self.door.renew(tx, caller, amr, source)
        except InvalidFactor:
            await self.door.refuse_factor(caller.user_id, source)

    async def _ensure_no_factor(self, db: Executor, caller: User) -> None:
        """Check that the password is enough: before it is hashed, and again under the lock."""
        if await self.factors.has_any(db, caller.user_id):
            raise self.step_up.refusal(lacks_factor=True)

    async def _spend_code(self, tx: Tx, caller: User, code: str) -> None:
        await self.standing.ensure(tx, caller)
        if not await self.factors.check_code(tx, caller.user_id, code):
            raise InvalidFactor


def _joined(before: tuple[str, ...], shown: tuple[str, ...]) -> tuple[str, ...]:
    """Add the presented methods to those of the session: each once, with `mfa` at the end."""
    methods = [method for method in (*before, *shown) if method != "mfa"]
    return (*dict.fromkeys(methods), "mfa")
