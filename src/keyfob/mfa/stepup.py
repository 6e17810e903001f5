"""Asking for a sign-in that is recent, and with a factor where one is set (RFC 9470)."""

from dataclasses import dataclass
from datetime import timedelta

from keyfob.accounts.models import Account
from keyfob.authority.models import User, acr_of, has_second_factor
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.problems import InsufficientAuthentication
from keyfob.mfa.models import AMR_CODE
from keyfob.mfa.service import Factors
from keyfob.sessions.standing import Standing


@dataclass(frozen=True, kw_only=True)
class FactorStepUp:
    """Implements `authority.models.StepUp`.

    `recent` is how old a sign-in may be that changes factors, password, e-mail, or erases.
    """

    db: Database
    factors: Factors
    standing: Standing
    clock: Clock
    recent: timedelta

    async def ensure_standing(self, tx: Tx, caller: User, *, with_admins: bool = False) -> Account:
        """Do as `Standing.ensure`, and ask once more for the recent sign-in, under the lock.

        Threat: who holds a stolen token begins a change, the owner adds a factor, and the change is
        made without it.

        Raises:
            InsufficientAuthentication: meanwhile a factor was added that this sign-in did not show.
            Unauthenticated: as `Standing.ensure` says.
        """
        account = await self.standing.ensure(tx, caller, with_admins=with_admins)
        await self.ensure_recent(caller, tx)
        return account

    async def ensure_recent(self, caller: User, db: "Executor | None" = None) -> None:
        """Let a caller pass whose sign-in is recent, and had a factor where the user has one.

        Raises:
            InsufficientAuthentication: it is not; `POST /me/reauthenticate` helps with both.
        """
        await self.ensure_factor(db or self.db, caller)
        if self.clock.now() - caller.auth_time > self.recent:
            raise self.refusal()

    async def ensure_factor(self, db: Executor, caller: User) -> None:
        """Let a caller pass whose sign-in had a factor, or who has none.

        Raises:
            InsufficientAuthentication: the user has a factor that this sign-in did not show.
        """
        if not has_second_factor(caller.amr) and await self.factors.has_any(db, caller.user_id):
            raise self.refusal(lacks_factor=True)

    def refusal(self, *, lacks_factor: bool = False) -> InsufficientAuthentication:
        """Return the refusal that asks for a new sign-in, with a factor if that is what lacks."""
        acr = acr_of(AMR_CODE) if lacks_factor else None
        return InsufficientAuthentication(int(self.recent.total_seconds()), acr=acr)
