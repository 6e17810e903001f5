"""The present rights of apps at our own API, in the transaction that changes something."""

from dataclasses import dataclass

from keyfob.authority.models import App, Held, StepUp, Subject
from keyfob.clients.service import Clients
from keyfob.core.database import Tx
from keyfob.core.problems import Unauthenticated
from keyfob.sessions.standing import Standing


@dataclass(frozen=True, kw_only=True)
class AppStanding:
    """Checks an app again under the locks on its user, its grant and its registration."""

    standing: Standing
    clients: Clients
    step_up: StepUp

    async def permissions_of(self, tx: Tx, subject: Subject) -> Held:
        """Return what an app may do for its user now, as `authority.models.ProgramStanding`.

        Each permission ends now, since the grant may end at any moment. Threat: an app makes a
        secret, or gives a role, that stays when its user takes back what the app has.

        Raises:
            Unauthenticated: the grant has ended, the client is disabled or its tokens were revoked,
                or the user is gone or blocked.
            InsufficientAuthentication: the user has a factor, and has allowed the app without it.
        """
        if not isinstance(subject, App):
            raise Unauthenticated
        account = await self.standing.ensure(tx, subject.user)
        scope = await self.clients.share_scope(tx, subject)
        await self.step_up.ensure_factor(subject.user, tx)
        held = await self.standing.permissions_of(tx, account)
        now = self.standing.clock.now()
        return {name: now for name in scope if name in held}
