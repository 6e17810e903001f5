"""The work of a verifier in the background of one process."""

import os
from dataclasses import dataclass

from keyfob_client.api_keys import ApiKeys, is_api_key
from keyfob_client.background import Background
from keyfob_client.fetching import make_client
from keyfob_client.judging import Judge
from keyfob_client.key_source import KeySource
from keyfob_client.keys import KeySet
from keyfob_client.metrics import Metrics
from keyfob_client.program import Client, OwnToken, TokenEndpoint
from keyfob_client.revocations.following import Follower
from keyfob_client.revocations.state import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The way to the issuer.

    Attributes:
        timeout: the seconds within which it has to answer.
        interval: the seconds in which unknown keys lead to one fetch at most.
        allow_http: whether http may be used beyond this machine.
        client: the service as a client of the issuer.
        resource: the identifier of the service, for which API keys are exchanged; None: they are
            refused.
        quiet_for: the seconds without a word after which the stream of revocations is held to be
            dead.
    """

    timeout: float
    interval: float
    allow_http: bool
    client: Client | None
    resource: str | None
    quiet_for: float


class Engine:
    """Follows an issuer for a judge, in a thread of this process."""

    def __init__(self, judge: Judge, reach: Reach, known: Known | None, metrics: Metrics) -> None:
        self.pid = os.getpid()
        self._judge = judge
        self._reach = reach
        self._metrics = metrics
        self._http = make_client(reach.timeout)
        self._keys = KeySource(
            self._http,
            judge.rules.issuer,
            allow_http=reach.allow_http,
            interval=reach.interval,
            hold=self._hold,
            metrics=metrics,
        )
        self._follower: Follower | None = None
        self._api_keys: ApiKeys | None = None
        self.background = Background()
        self.background.run(self._begin(known))

    @property
    def is_ready(self) -> bool:
        """True if tokens can be judged without waiting."""
        return self._keys.keys is not None and (self._follower is None or self._follower.has_tried)

    def recall(self, token: str) -> str | None:
        """Return the access token behind what was presented; None if it has to be asked for.

        Raises:
            InvalidToken: it is an API key that was refused a moment ago.
        """
        if self._api_keys is None or not is_api_key(token):
            return token
        return self._api_keys.recall(token)

    async def find(self, token: str) -> str:
        """Return the access token behind what was presented, and learn how to judge it.

        Raises:
            InvalidToken: it is an API key that the issuer refuses.
            Unavailable: the issuer is not reached.
        """
        await self._prepare()
        if self._api_keys is None or not is_api_key(token):
            return token
        return await self._api_keys.exchange(token)

    def forget(self, token: str) -> None:
        """Forget what an API key was exchanged for."""
        if self._api_keys is not None:
            self._api_keys.forget(token)

    def refuse(self, token: str) -> None:
        """Refuse an API key for a moment: what it is exchanged for is not believed here."""
        if self._api_keys is not None:
            self._api_keys.refuse(token)

    async def _prepare(self) -> None:
        await self._keys.refresh()
        if self._follower is not None:
            await self._follower.first()

    def _hold(self, keys: KeySet) -> None:
        self._judge.keys = keys

    async def _begin(self, known: Known | None) -> None:
        self.background.keep(self._keys.keep_fresh)
        if self._reach.client is None:
            return
        endpoint = TokenEndpoint(
            self._http,
            self._judge.rules.issuer,
            self._reach.client,
            metadata=self._keys.metadata,
            clock=self._judge.clock,
        )
        if self._reach.resource is not None:
            self._api_keys = ApiKeys(endpoint, resource=self._reach.resource, metrics=self._metrics)
        if known is not None:
            self._follower = self._follow(known, endpoint)
            self.background.keep(self._follower.run)

    def _follow(self, known: Known, endpoint: TokenEndpoint) -> Follower:
        return Follower(
            self._http,
            issuer=endpoint.issuer,
            keys=self._keys,
            known=known,
            token=OwnToken(endpoint, scope="revocations:read", resource=endpoint.issuer),
            metrics=self._metrics,
            clock=self._judge.clock,
            leeway=self._judge.rules.leeway,
            quiet_for=self._reach.quiet_for,
            allow_http=self._reach.allow_http,
        )

    def close(self) -> None:
        """End it, and the thread."""
        self.background.close(self._http.aclose)
