"""Signing in with a passkey alone: it is a possession, and it verifies its user."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from keyfob.accounts import locks
from keyfob.devices.source import Source
from keyfob.login.door import Door, let_in
from keyfob.login.models import Proof
from keyfob.login_log.models import Reason
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.models import AMR_PASSKEY_ALONE
from keyfob.mfa.passkeys.service import Passkeys, PresentedPasskey
from keyfob.sessions.models import OpenedSession


@dataclass(frozen=True, kw_only=True)
class PasskeyLogin:
    """Signs users in with a passkey."""

    passkeys: Passkeys
    door: Door

    async def options(self) -> tuple[UUID, dict[str, Any]]:
        """Return the id of a challenge, and the options for any passkey that the user chooses."""
        return await self.passkeys.begin_alone()

    async def sign_in(
        self, challenge_id: UUID, credential: dict[str, Any], source: Source
    ) -> OpenedSession:
        """Sign the owner of a passkey in.

        Raises:
            InvalidFactor: the challenge is unknown, used or expired, or the passkey's answer is not
                valid; the log says which.
            AccountBlocked, PasswordChangeRequired: said only after a valid answer.
        """
        try:
            presented = await self.passkeys.verify_alone(challenge_id, credential)
            return await self._end(presented, source)
        except InvalidFactor:
            claimed = await self.passkeys.find_owner(credential)
            await self.door.refuse_factor(claimed, source, Reason.WRONG_PASSKEY)

    async def _end(self, presented: PresentedPasskey, source: Source) -> OpenedSession:
        proof = Proof(presented.user_id, AMR_PASSKEY_ALONE, Reason.PASSKEY, source)
        async with self.passkeys.begin() as tx:
            account = await locks.lock(tx, proof.user_id)
            ended = await self.door.enter(tx, account, proof)
            await self.passkeys.note_use(tx, presented)
        return let_in(ended)
