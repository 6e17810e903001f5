"""Asking for a sign-in that is recent, and with a factor where one is set (RFC 9470)."""

from dataclasses import dataclass
from datetime import timedelta

from keyfob.core.authority import Caller, acr_of, has_second_factor
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.problems import InsufficientAuthentication
from keyfob.mfa.models import AMR_CODE
from keyfob.mfa.service import Factors


@dataclass(frozen=True)
class FactorStepUp:
    """Implements `core.authority.StepUp`.

    `recent` is how old a sign-in may be that changes factors, password, e-mail, or erases.
    """

    db: Database
    factors: Factors
    clock: Clock
    recent: timedelta

    async def ensure_recent(self, caller: Caller) -> None:
        """Let the caller pass.

        Raises:
            InsufficientAuthentication: the sign-in is too old, or it had no factor and the user
                has one; `POST /me/reauthenticate` helps with both.
        """
        lacks_factor = not has_second_factor(caller.amr) and await self.factors.has_any(
            self.db, caller.user_id
        )
        if lacks_factor or self.clock.now() - caller.auth_time > self.recent:
            max_age = int(self.recent.total_seconds())
            raise InsufficientAuthentication(
                max_age, acr=acr_of(AMR_CODE) if lacks_factor else None
            )
