"""The work of a verifier in the background of one process."""

import os
from dataclasses import dataclass

from keyfob_client.background import Background
from keyfob_client.fetching import make_client
from keyfob_client.judging import Judge
from keyfob_client.key_source import KeySource
from keyfob_client.keys import KeySet
from keyfob_client.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The way to the issuer.

    Attributes:
        timeout: the seconds within which it has to answer.
        interval: the seconds in which unknown keys lead to one fetch at most.
        allow_http: whether http may be used beyond this machine.
    """

    timeout: float
    interval: float
    allow_http: bool


class Engine:
    """Follows an issuer for a judge, in a thread of this process."""

    def __init__(self, judge: Judge, reach: Reach, metrics: Metrics) -> None:
        self.pid = os.getpid()
        self._judge = judge
        self._client = make_client(reach.timeout)
        self._keys = KeySource(
            self._client,
            judge.rules.issuer,
            allow_http=reach.allow_http,
            interval=reach.interval,
            hold=self._hold,
            metrics=metrics,
        )
        self.background = Background()
        self.background.keep(self._keys.keep_fresh)

    @property
    def is_ready(self) -> bool:
        """True if tokens can be judged without waiting."""
        return self._keys.keys is not None

    async def prepare(self) -> None:
        """Learn what is needed to judge tokens, or the key of a token that is not known.

        Raises:
            Unavailable: the issuer is not reached.
        """
        await self._keys.refresh()

    def _hold(self, keys: KeySet) -> None:
        self._judge.keys = keys

    def close(self) -> None:
        """End it, and the thread."""
        self.background.close(self._client.aclose)
