"""The second step of a sign-in: a factor, after the password."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from keyfob.accounts import locks
from keyfob.core.database import Database, Tx
from keyfob.core.problems import Problem
from keyfob.devices.source import Source
from keyfob.limits.service import Reservation
from keyfob.login.door import Door, let_in
from keyfob.login.guarding import GuardedCodes
from keyfob.login.models import PendingLogin, Proof
from keyfob.login.pending import PendingLogins
from keyfob.login_log.models import Reason
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.models import AMR_CODE, AMR_PASSKEY, Factor
from keyfob.mfa.passkeys.service import Passkeys, PresentedPasskey
from keyfob.mfa.service import Factors
from keyfob.sessions.models import OpenedSession


class PresentedFactor(NamedTuple):
    """A second factor: one of the three fields is set."""

    code: str | None = None
    recovery_code: str | None = None
    credential: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class SecondFactor:
    """Finishes pending logins, which the door began after the right password."""

    db: Database
    factors: Factors
    passkeys: Passkeys
    pending: PendingLogins
    codes: GuardedCodes
    door: Door

    async def request_options(self, token: str) -> dict[str, Any]:
        """Return the options for the user's passkeys, and store the challenge for one answer.

        Raises:
            InvalidFactor: the token is invalid, for whatever reason, or the user has no passkey.
        """
        waiting = await self.pending.find(token)
        if waiting is None:
            raise InvalidFactor
        options, challenge = await self.passkeys.request_options(self.db, waiting.user_id)
        if not options["allowCredentials"] or not await self.pending.set_challenge(
            token, challenge
        ):
            raise InvalidFactor
        return options

    async def find(self, token: str) -> tuple[list[Factor], datetime] | None:
        """Return the factors of the user of a pending login, and when it ends.

        None if the token is not valid. Nothing is used up.
        """
        waiting = await self.pending.find(token)
        if waiting is None:
            return None
        return await self.factors.list(self.db, waiting.user_id), waiting.expires_at

    async def present(
        self, token: str, presented: PresentedFactor, source: Source
    ) -> OpenedSession:
        """Finish a pending login with a session.

        Raises:
            InvalidFactor: the factor is wrong, or the token is used, expired or unknown.
            TooManyAttempts: too many wrong codes for this account, whatever the token.
            AccountBlocked, PasswordChangeRequired: said only now, after both factors.
        """
        waiting = await self.pending.find(token)
        if waiting is None:
            raise InvalidFactor
        user_id = waiting.user_id
        reservation = await self._reserve(user_id, presented, source)
        taken = await self.pending.take_attempt(token)
        if taken is None:
            raise InvalidFactor
        try:
            passkey = await self._check_passkey(user_id, presented, taken.challenge)
            ended = await self._end(token, waiting, presented, passkey, source)
        except InvalidFactor:
            await self.door.refuse_factor(user_id, source)
        await self.codes.forgive(reservation)
        return let_in(ended)

    async def _reserve(
        self, user_id: UUID, presented: PresentedFactor, source: Source
    ) -> Reservation:
        """Count a code before it is checked; the others cannot be guessed."""
        if presented.code is None:
            return Reservation()
        return await self.codes.reserve(user_id, source)

    async def _check_passkey(
        self, user_id: UUID, presented: PresentedFactor, challenge: bytes | None
    ) -> PresentedPasskey | None:
        """Check a passkey, outside any transaction, since it takes a while in a thread."""
        if presented.credential is None:
            return None
        if challenge is None:
            raise InvalidFactor
        return await self.passkeys.verify_assertion(
            presented.credential, challenge, user_id=user_id, require_user_verification=False
        )

    async def _end(
        self,
        token: str,
        waiting: PendingLogin,
        presented: PresentedFactor,
        passkey: PresentedPasskey | None,
        source: Source,
    ) -> OpenedSession | Problem:
        """Use up the factor, end the pending login and go through the door, all or nothing.

        Raises:
            InvalidFactor: the code is wrong, the passkey was removed meanwhile, or another request
                has ended the pending login.
        """
        user_id = waiting.user_id
        async with self.passkeys.begin() as tx:
            account = await locks.lock(tx, user_id)
            if passkey is not None:
                await self.passkeys.note_use(tx, passkey)
                amr, reason = AMR_PASSKEY, Reason.PASSWORD_AND_PASSKEY
            else:
                amr, reason = AMR_CODE, await self._spend_code(tx, user_id, presented, source)
            if not await self.pending.spend(tx, token):
                raise InvalidFactor
            proof = Proof(user_id, (*waiting.amr, *amr), reason, source)
            return await self.door.enter(tx, account, proof)

    async def _spend_code(
        self, tx: Tx, user_id: UUID, presented: PresentedFactor, source: Source
    ) -> Reason:
        if presented.code is not None and await self.factors.check_code(
            tx, user_id, presented.code
        ):
            return Reason.PASSWORD_AND_CODE
        if presented.recovery_code is not None:
            left = await self.factors.spend_recovery_code(
                tx, user_id, presented.recovery_code, source
            )
            if left is not None:
                return Reason.PASSWORD_AND_RECOVERY_CODE
        raise InvalidFactor
