"""Apps hear of the end of a session (OpenID Connect Back-Channel Logout 1.0).

Whatever ends the session of a browser writes a notice for each app that got an ID token in it, in
the same transaction. The outbox sends the notices: a sign-out waits for no app.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
from prometheus_client import Counter

from keyfob.clients.models import RegisteredClient
from keyfob.clients.service import Clients
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.outbound import CannotFetch, Outbound
from keyfob.oauth import sign_in_queries as queries
from keyfob.oauth.app_tokens import sid_of
from keyfob.oauth.receivers import Away, Receivers
from keyfob.oauth.sign_in_queries import AppSignIn
from keyfob.outbox.errors import TryAgain
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox
from keyfob.sessions.models import Ending, Granted
from keyfob.tokens.logout_tokens import LogoutTokens

log = structlog.get_logger("keyfob.oauth")

NOTICES = Counter(
    "keyfob_logout_notices_total",
    "Calls that tell an app of a sign-out, by outcome: delivered, refused, away.",
    ["outcome"],
)
KIND = "logout"

# Then most apps have ended their own session, too.
_USEFUL = timedelta(days=1)
# Frameworks may turn an empty 200 into 204 (section 2.8).
_HEARD = frozenset({200, 204})


@dataclass(frozen=True, kw_only=True)
class LogoutNotices:
    """Remembers in which apps somebody has signed in, and tells these of the end.

    A notice is told until the app has heard it, for a day, after growing pauses. Its `jti` is the
    same each time, so that an app whose answer was lost recognises it; the times are new.
    """

    db: Database
    clock: Clock
    clients: Clients
    outbox: Outbox
    outbound: Outbound
    tokens: LogoutTokens
    receivers: Receivers

    async def remember(self, tx: Tx, client: RegisteredClient, granted: Granted) -> None:
        """Remember that an app gets an ID token in a session, which `tx` has locked."""
        if client.backchannel_logout_uri is not None and "openid" in granted.scope:
            await queries.insert_sign_in(tx, granted.opened_from, client.id)

    async def end(self, tx: Tx, ending: Ending) -> None:
        """Write the notices that the end of one or several sessions of a user causes."""
        await self._write(tx, await queries.delete_ended(tx, ending.user_id))

    async def end_expired(self) -> None:
        """Write the notices of sessions that nobody has ended, and that may not go on."""
        await in_batches(self._end_expired)

    async def _end_expired(self, at_most: int) -> int:
        async with self.db.begin() as tx:
            ended = await queries.delete_expired(tx, self.clock.now(), at_most)
            await self._write(tx, ended)
        return len(ended)

    async def _write(self, tx: Tx, ended: Sequence[AppSignIn]) -> None:
        """Write notices, which belong to no account: they outlive it, if it is being deleted."""
        notices = [
            {
                "client_id": str(one.client_id),
                "sub": str(one.user_id),
                "sid": sid_of(one.session_id, one.client_id),
            }
            for one in ended
        ]
        await self.outbox.add_all(tx, KIND, notices, expires_at=self.clock.now() + _USEFUL)

    async def deliver(self, job: Job) -> None:
        """Tell the app of a notice, unless it wants to hear of none any more.

        Raises:
            TryAgain: it has not heard it.
        """
        client_id = UUID(job.payload["client_id"])
        client = await self.clients.get(self.db, client_id)
        uri = client.backchannel_logout_uri if client else None
        if client is None or uri is None:
            return
        if client.disabled_at is not None:  # it may be enabled again, with its users signed in
            raise TryAgain("the app is disabled")
        with self.receivers.call(client_id):
            await self._call(client, uri, job)

    async def _call(self, client: RegisteredClient, uri: str, job: Job) -> None:
        token = await self.tokens.issue(
            subject=UUID(job.payload["sub"]),
            client_id=client.id,
            sid=job.payload["sid"],
            token_id=job.id,
            algorithm=client.id_token_alg,
        )
        tell = partial(log.warning, "logout_notice_failed", client_id=str(client.id))
        try:
            answer = await self.outbound.post(uri, {"logout_token": token}, share=(str(client.id),))
        except CannotFetch as fault:
            NOTICES.labels("away").inc()
            tell(fault=str(fault))
            raise Away("the app does not answer") from None
        if answer.status not in _HEARD:
            NOTICES.labels("refused").inc()
            tell(fault=f"status {answer.status}")
            raise TryAgain(f"the app answers with status {answer.status}")
        NOTICES.labels("delivered").inc()
