"""Adding a passkey: the browser gets options, and its result is verified."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from keyfob.authority.models import User
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.secrets import new_id
from keyfob.devices.source import Source
from keyfob.mfa.changes import FactorChanges
from keyfob.mfa.errors import InvalidPasskey, PasskeyTaken
from keyfob.mfa.models import Factor, FactorType, NewPasskey
from keyfob.mfa.passkeys import queries, verification
from keyfob.mfa.passkeys.challenges import Challenges
from keyfob.mfa.passkeys.options import creation_options
from keyfob.mfa.passkeys.relying_party import RelyingParty
from keyfob.mfa.passkeys.verification import Refused

log = structlog.get_logger("keyfob.passkeys")


@dataclass(frozen=True, kw_only=True)
class PasskeyEnrolment:
    """Begins and finishes the registration of passkeys."""

    db: Database
    party: RelyingParty
    challenges: Challenges
    changes: FactorChanges
    clock: Clock

    async def begin(self, caller: User) -> tuple[UUID, dict[str, Any]]:
        """Return the id of a challenge, and the options for the caller's browser.

        Raises:
            InsufficientAuthentication, Unauthenticated: see `FactorStepUp.ensure_standing`.
            EmailUnverified: see `FactorChanges.prepare_to_add`.
        """
        async with self.db.begin() as tx:
            user = await self.changes.ensure_verified(tx, caller)
            registered = await queries.list_passkeys(tx, caller.user_id)
            challenge_id, challenge = await self.challenges.issue(tx, caller)
        return challenge_id, creation_options(self.party, user, challenge, registered)

    async def finish(
        self,
        caller: User,
        challenge_id: UUID,
        name: str,
        credential: dict[str, Any],
        source: Source,
    ) -> tuple[Factor, list[str]]:
        """Add the passkey of the caller's browser; return the factor, and codes if it is the first.

        Raises:
            InvalidPasskey: the challenge is not this session's, or is used or expired; or the
                credential is invalid or not usable.
            PasskeyTaken: the credential is registered already.
            InsufficientAuthentication, TooManyFactors, EmailUnverified: see
                `FactorChanges.prepare_to_add`.
        """
        made = await self._verified(caller, challenge_id, credential)
        now = self.clock.now()
        factor = Factor(new_id(now), FactorType.PASSKEY, name, now, None)
        async with self.db.begin() as tx:
            next_factor = await self.changes.prepare_to_add(tx, caller)
            if not await queries.insert_passkey(tx, caller.user_id, factor, made):
                raise PasskeyTaken
            codes = await self.changes.admit(
                tx, caller, factor, source, is_first=next_factor.is_first
            )
        return factor, codes

    async def _verified(
        self, caller: User, challenge_id: UUID, credential: dict[str, Any]
    ) -> NewPasskey:
        challenge = await self.challenges.spend(challenge_id, caller)
        if challenge is None:
            raise _invalid("no such challenge", caller)
        try:
            return await asyncio.to_thread(
                verification.verify_registration, self.party, credential, challenge
            )
        except Refused as refused:
            raise _invalid(str(refused), caller) from None


def _invalid(why: str, caller: User) -> InvalidPasskey:
    log.info("passkey_not_added", why=why, user_id=str(caller.user_id))
    return InvalidPasskey()
