"""The second step of a sign-in: a factor, after the password."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from keyfob.accounts import locks
from keyfob.accounts.credentials import Credentials
from keyfob.core.database import Database, Tx
from keyfob.core.problems import Problem
from keyfob.devices.source import Source
from keyfob.limits.service import Reservation
from keyfob.login.errors import MfaRequired
from keyfob.login.guarding import GuardedCodes
from keyfob.login.models import HashReplaced, PendingLogin
from keyfob.login.notices import Notices
from keyfob.login.pending import PENDING_SECONDS, PendingLogins
from keyfob.login.refusing import Refusals
from keyfob.login_log.models import Reason
from keyfob.login_log.service import LoginLog
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.models import AMR_CODE, AMR_PASSKEY
from keyfob.mfa.passkeys.service import Passkeys, ShownPasskey
from keyfob.mfa.service import Factors
from keyfob.passwords.service import PasswordMatch
from keyfob.sessions.models import OpenedSession
from keyfob.sessions.service import Sessions

_AMR = ("pwd",)


class Shown(NamedTuple):
    """What is shown as a second factor: one of the three."""

    code: str | None = None
    recovery_code: str | None = None
    credential: dict[str, Any] | None = None


class Proof(NamedTuple):
    """A factor that was right: what it adds to `amr`, and how the login log names the sign-in."""

    amr: Sequence[str]
    reason: Reason


@dataclass(frozen=True)
class SecondFactor:
    """Asks for a factor once the password was right, and opens the session once it is shown."""

    db: Database
    credentials: Credentials
    factors: Factors
    passkeys: Passkeys
    pending: PendingLogins
    sessions: Sessions
    codes: GuardedCodes
    log: LoginLog
    notices: Notices
    refusals: Refusals

    async def ask(
        self, user_id: UUID, stored: str, match: PasswordMatch, source: Source
    ) -> NoReturn:
        """Begin the wait for a factor of a user whose password fits the `stored` hash.

        Raises:
            MfaRequired: with the token that ends the wait, and the factors to choose from.
            HashReplaced: meanwhile.
        """
        async with self.db.begin() as tx:
            if match.new_hash:
                await self.credentials.improve_hash(tx, user_id, stored, match.new_hash)
            checked = match.new_hash or stored
            token = await self.pending.begin(tx, user_id, checked, _AMR, source)
            factors = await self.factors.list(tx, user_id)
        if token is None:
            raise HashReplaced
        raise MfaRequired(token, PENDING_SECONDS, factors)

    async def request_options(self, token: str) -> dict[str, Any]:
        """Return what to ask the user's passkeys, and keep the challenge for one answer.

        Raises:
            InvalidFactor: the token is no good, for whatever reason, or there is no passkey.
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

    async def show(self, token: str, shown: Shown, source: Source) -> OpenedSession:
        """End the wait with a session.

        Raises:
            InvalidFactor: the factor is wrong, or the token spent, expired or unknown.
            TooManyAttempts: too many wrong codes for this account, whatever the token.
            AccountBlocked, PasswordChangeRequired: said only now, after both factors.
        """
        waiting = await self.pending.find(token)
        if waiting is None:
            raise InvalidFactor
        user_id = waiting.user_id
        reservation = await self._reserve(user_id, shown, source)
        taken = await self.pending.take_attempt(token)
        if taken is None:
            raise InvalidFactor
        try:
            passkey = await self._check_passkey(user_id, shown, taken.challenge)
            opened = await self._open(token, waiting, shown, passkey, source)
        except InvalidFactor:
            await self.log.refused(self.db, None, user_id, Reason.WRONG_FACTOR, source)
            raise
        await self.codes.forgive(reservation)
        if isinstance(opened, Problem):
            raise opened
        return opened

    async def _reserve(self, user_id: UUID, shown: Shown, source: Source) -> Reservation:
        """Count a code before it is looked at; what nobody can guess is not counted."""
        if shown.code is None:
            return Reservation()
        return await self.codes.reserve(user_id, source)

    async def _check_passkey(
        self, user_id: UUID, shown: Shown, challenge: bytes | None
    ) -> ShownPasskey | None:
        """Check a passkey, outside of any transaction: it takes a thread its time."""
        if shown.credential is None:
            return None
        if challenge is None:
            raise InvalidFactor
        return await self.passkeys.verify_assertion(
            shown.credential, challenge, user_id=user_id, require_user_verification=False
        )

    async def _open(
        self,
        token: str,
        waiting: PendingLogin,
        shown: Shown,
        passkey: ShownPasskey | None,
        source: Source,
    ) -> OpenedSession | Problem:
        """Spend the factor, the wait and open the session, all or nothing; or return the refusal.

        Raises:
            InvalidFactor: the code is wrong, the passkey was removed meanwhile, or another request
                has ended the wait.
        """
        user_id = waiting.user_id
        async with self.passkeys.begin() as tx:
            account = await locks.lock(tx, user_id)
            if passkey is not None:
                await self.passkeys.note_use(tx, passkey)
                proof: Proof | None = Proof(AMR_PASSKEY, Reason.PASSWORD_AND_PASSKEY)
            else:
                proof = await self._spend_code(tx, user_id, shown, source)
            if proof is None or not await self.pending.spend(tx, token):
                raise InvalidFactor
            amr = (*waiting.amr, *proof.amr)
            session = await self.sessions.open(tx, user_id, source, amr)
            if session is None:
                return await self.refusals.write(tx, user_id, account, source)
            await self.notices.of_sign_in(tx, user_id, proof.reason, source, session.id)
        return session

    async def _spend_code(
        self, tx: Tx, user_id: UUID, shown: Shown, source: Source
    ) -> Proof | None:
        if shown.code is not None and await self.factors.check_code(tx, user_id, shown.code):
            return Proof(AMR_CODE, Reason.PASSWORD_AND_CODE)
        if shown.recovery_code is not None:
            left = await self.factors.spend_recovery_code(tx, user_id, shown.recovery_code, source)
            if left is not None:
                return Proof(AMR_CODE, Reason.PASSWORD_AND_RECOVERY_CODE)
        return None
