"""Signing in with a passkey alone: it is what one has, and verifies who has it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from keyfob.accounts import locks
from keyfob.core.database import Database
from keyfob.core.problems import Problem
from keyfob.devices.source import Source
from keyfob.login.notices import Notices
from keyfob.login.refusing import Refusals
from keyfob.login_log.models import Reason
from keyfob.login_log.service import LoginLog
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.models import AMR_PASSKEY_ALONE
from keyfob.mfa.passkeys.challenges import Challenges
from keyfob.mfa.passkeys.service import Passkeys, ShownPasskey
from keyfob.sessions.models import OpenedSession
from keyfob.sessions.service import Sessions


@dataclass(frozen=True)
class PasskeyLogin:
    """Turns the answer of a passkey into a session."""

    db: Database
    challenges: Challenges
    passkeys: Passkeys
    sessions: Sessions
    log: LoginLog
    notices: Notices
    refusals: Refusals

    async def options(self) -> tuple[UUID, dict[str, Any]]:
        """Return the id of a challenge, and what to ask the passkey that the user chooses.

        The same for everyone: nobody learns who has a passkey.
        """
        challenge_id, challenge = await self.challenges.issue(self.db, None)
        return challenge_id, self.passkeys.options_alone(challenge)

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
            shown = await self._verified(challenge_id, credential)
            return await self._open(shown, source)
        except InvalidFactor:
            claimed = await self.passkeys.find_owner(credential)
            await self.log.refused(self.db, None, claimed, Reason.WRONG_PASSKEY, source)
            raise

    async def _open(self, shown: ShownPasskey, source: Source) -> OpenedSession:
        user_id = shown.user_id
        async with self.passkeys.begin() as tx:
            account = await locks.lock(tx, user_id)
            session = await self.sessions.open(tx, user_id, source, AMR_PASSKEY_ALONE)
            opened = session or await self.refusals.write(tx, user_id, account, source)
            await self.passkeys.note_use(tx, shown)
            if session is not None:
                await self.notices.of_sign_in(tx, user_id, Reason.PASSKEY, source, session.id)
        if isinstance(opened, Problem):
            raise opened
        return opened

    async def _verified(self, challenge_id: UUID, credential: dict[str, Any]) -> ShownPasskey:
        challenge = await self.challenges.spend(challenge_id, None)
        if challenge is None:
            raise InvalidFactor
        return await self.passkeys.verify_assertion(
            credential, challenge, user_id=None, require_user_verification=True
        )
