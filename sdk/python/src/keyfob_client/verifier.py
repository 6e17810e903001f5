"""Verifying access tokens from the issuer alone: `Verifier`, and `AsyncVerifier` for asyncio."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from types import TracebackType
from typing import Self

from keyfob_client.claims import REQUIRED, Rules
from keyfob_client.engine import Engine, Reach
from keyfob_client.errors import Refused, UnknownKey
from keyfob_client.fetching import check_url
from keyfob_client.judging import CheckProof, Judge
from keyfob_client.metrics import Hook, Metrics
from keyfob_client.token import AccessToken


class Trust:
    """The base of both verifiers: which tokens are believed, and how the issuer is reached.

    Nothing is asked before the first token comes. Then a thread in the background fetches the keys
    and keeps them fresh. After a fork, the child starts its own.

    Args:
        issuer: the issuer of the tokens, exactly as its `iss` is; its metadata tells the rest.
        audience: the names of this service, one of which is in `aud`.
        required_claims: the claims that must be there, beside `iss`, `aud`, `exp`, `iat` and `sub`.
        leeway: the seconds by which this machine's clock may be wrong.
        check_proof: whether a bound token (`cnf`) comes with its proof; None refuses them all.
        remembered: how many verified tokens to remember, by their SHA-256.
        longest_token: the most characters that a token has.
        timeout: the seconds within which the issuer has to answer.
        refresh_interval: the seconds in which unknown keys lead to one fetch of the keys at most.
        allow_http: whether the issuer may be asked by http beyond this machine.
        hook: is told each event that `metrics` counts.
        clock: returns the seconds since 1970.

    Raises:
        ValueError: the issuer is no https address, or there is no audience.
    """

    def __init__(
        self,
        issuer: str,
        *,
        audience: str | Collection[str],
        required_claims: Collection[str] = REQUIRED,
        leeway: int = 10,
        check_proof: CheckProof | None = None,
        remembered: int = 10_000,
        longest_token: int = 8192,
        timeout: float = 5.0,
        refresh_interval: float = 5.0,
        allow_http: bool = False,
        hook: Hook | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        rules = Rules(
            issuer=check_url(issuer, allow_http=allow_http),
            audience=frozenset({audience} if isinstance(audience, str) else audience),
            required=frozenset(required_claims),
            leeway=leeway,
            longest=longest_token,
        )
        self.metrics = Metrics(hook=hook)
        self._judge = Judge(
            rules, self.metrics, clock, check_proof=check_proof, remembered=remembered
        )
        self._reach = Reach(timeout=timeout, interval=refresh_interval, allow_http=allow_http)
        self._running: Engine | None = None
        self._starting = threading.Lock()

    @property
    def issuer(self) -> str:
        """The issuer whose tokens are believed."""
        return self._judge.rules.issuer

    @property
    def audience(self) -> frozenset[str]:
        """The names of this service."""
        return self._judge.rules.audience

    def now(self) -> float:
        """Return the seconds since 1970 by the clock of this verifier."""
        return self._judge.clock()

    def close(self) -> None:
        """End what runs in the background. The next token would start it again."""
        with self._starting:
            if self._running is not None and self._running.pid == os.getpid():
                self._running.close()
            self._running = None

    def _engine(self) -> Engine:
        running = self._running
        if running is not None and running.pid == os.getpid():
            return running
        with self._starting:
            if self._running is None or self._running.pid != os.getpid():
                self._running = Engine(self._judge, self._reach, self.metrics)
            return self._running


class Verifier(Trust):
    """Verifies access tokens, in programs and web servers that work with threads.

    It may be used by any number of threads at once.
    """

    def verify(self, token: str, presented: object = None) -> AccessToken:
        """Return what an access token says, if it is to be believed.

        Args:
            token: the token, without the word Bearer.
            presented: what `check_proof` needs to see of the request.

        Raises:
            InvalidToken: it is not; `reason` says why, for the log.
            Unavailable: the issuer was not reached, so that it cannot be said.
        """
        engine = self._engine()
        try:
            if engine.is_ready:
                with suppress(UnknownKey):
                    return self._judge.judge(token, presented)
            engine.background.run(engine.prepare())
            return self._judge.judge(token, presented)
        except Refused as refused:
            self.metrics.refused[refused.reason] += 1
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncVerifier(Trust):
    """Verifies access tokens, in programs and web servers that work with asyncio.

    It may be used in any number of event loops, one after the other or at once.
    """

    async def verify(self, token: str, presented: object = None) -> AccessToken:
        """Return what an access token says, if it is to be believed; see `Verifier.verify`."""
        engine = self._engine()
        try:
            if engine.is_ready:
                with suppress(UnknownKey):
                    return self._judge.judge(token, presented)
            await engine.background.wait(engine.prepare())
            return self._judge.judge(token, presented)
        except Refused as refused:
            self.metrics.refused[refused.reason] += 1
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)
