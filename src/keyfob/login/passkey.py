"""Signing in with a passkey alone: it is what one has, and verifies who has it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from keyfob.accounts import locks
from keyfob.devices.source import Source
from keyfob.login.door import Door, Proof, let_in
from keyfob.login_log.models import Reason
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.models import AMR_PASSKEY_ALONE
from keyfob.mfa.passkeys.service import Passkeys, ShownPasskey
from keyfob.sessions.models import OpenedSession


@dataclass(frozen=True, kw_only=True)
class PasskeyLogin:
    """Signs in whoever has a passkey."""

    passkeys: Passkeys
    door: Door

    async def options(self) -> tuple[UUID, dict[str, Any]]:
        """Return the id of a challenge, and what to ask the passkey that the user chooses."""
        return await self.passkeys.begin_alone()

    async def sign_in(
        self, challenge_id: UUID, credential: dict[str, Any], source: Source
    ) -> OpenedSession:
        """Sign in.

        Raises:
            InvalidFactor: the challenge is unknown, spent or expired, or the passkey is not to be
                believed; the log tells which.
            AccountBlocked, PasswordChangeRequired: said only after a right answer.
        """
        try:
            shown = await self.passkeys.verify_alone(challenge_id, credential)
            return await self._end(shown, source)
        except InvalidFactor:
            claimed = await self.passkeys.find_owner(credential)
            await self.door.refuse_factor(claimed, source, Reason.WRONG_PASSKEY)

    async def _end(self, shown: ShownPasskey, source: Source) -> OpenedSession:
        proof = Proof(shown.user_id, AMR_PASSKEY_ALONE, Reason.PASSKEY, source)
        async with self.passkeys.begin() as tx:
            account = await locks.lock(tx, proof.user_id)
            ended = await self.door.enter(tx, account, proof)
            await self.passkeys.note_use(tx, shown)
        return let_in(ended)
