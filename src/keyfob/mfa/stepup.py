"""Step-up: requiring a recent sign-in, with a factor if the user has one (RFC 9470)."""

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

    `recent` is the greatest age of a sign-in for changing factors, password or e-mail, and for
    erasure.
    """

    db: Database
    factors: Factors
    standing: Standing
    clock: Clock
    recent: timedelta

    async def ensure_standing(self, tx: Tx, caller: User, *, with_admins: bool = False) -> Account:
        """Check as `Standing.ensure`, and require the recent sign-in again, under the lock.

        Threat: the thief of a token begins a change, the owner adds a factor, and the change is
        made without that factor.

        Raises:
            InsufficientAuthentication: a factor was added meanwhile, and this sign-in did not use
                it.
            Unauthenticated: see `Standing.ensure`.
        """
        account = await self.standing.ensure(tx, caller, with_admins=with_admins)
        await self.ensure_recent(caller, tx)
        return account

    async def ensure_recent(self, caller: User, db: "Executor | None" = None) -> None:
        """Check that the caller's sign-in is recent, and had a factor if the user has one.

        Raises:
            InsufficientAuthentication: it is not; `POST /me/reauthenticate` helps in both cases.
        """
        await self.ensure_factor(caller, db)
        if self.clock.now() - caller.auth_time > self.recent:
            raise self.refusal()

    async def ensure_factor(self, caller: User, db: "Executor | None" = None) -> None:
        """Check that the caller's sign-in had a factor, if the user has one.

        Threat: somebody signed in with a stolen password before the owner added a factor.

        Raises:
            InsufficientAuthentication: the user has a factor, and this sign-in did not use it.
        """
        if has_second_factor(caller.amr):
            return
        if await self.factors.has_any(db or self.db, caller.user_id):
            raise self.refusal(lacks_factor=True)

    def refusal(self, *, lacks_factor: bool = False) -> InsufficientAuthentication:
        """Return the refusal that asks for a new sign-in; with a factor if that is missing."""
        acr = acr_of(AMR_CODE) if lacks_factor else None
        return InsufficientAuthentication(int(self.recent.total_seconds()), acr=acr)
