"""Verifying access tokens from the issuer alone: `Verifier`, and `AsyncVerifier` for asyncio."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Self

from keyfob_client.claims import REQUIRED, Rules
from keyfob_client.engine import Engine, Reach
from keyfob_client.errors import InvalidToken, Refused, UnknownKey
from keyfob_client.fetching import check_url
from keyfob_client.judging import CheckProof, Judge
from keyfob_client.metrics import Hook, Metrics
from keyfob_client.program import Client
from keyfob_client.revocations.state import Known
from keyfob_client.token import AccessToken


class Trust:
    """The base of both verifiers: which tokens are believed, and how the issuer is reached.

    Nothing is asked before the first token comes. Then a thread in the background fetches the keys,
    keeps them fresh, and follows what is revoked. After a fork, the child starts its own.

    Args:
        issuer: the issuer of the tokens, exactly as its `iss` is; its metadata tells the rest.
        audience: the names of this service, one of which is in `aud`.
        client: this service as a client of a Keyfob, with the permission `revocations:read`. With
            it revocations are followed, and API keys are exchanged for tokens.
        follow_revocations: False if the client is for API keys alone.
        fail_open_for: the seconds without contact with the feed of revocations after which tokens
            are answered 503. Before the first contact they are in any case.
        resource: the identifier of this service (RFC 9728), which API keys are exchanged for; by
            default the audience, if one alone is an address.
        required_claims: the claims that must be there, beside `iss`, `aud`, `exp`, `iat` and `sub`.
        leeway: the seconds by which this machine's clock may be wrong.
        check_proof: whether a bound token (`cnf`) comes with its proof; None refuses them all.
        remembered: how many verified tokens to remember, by their SHA-256.
        longest_token: the most characters that a token has.
        longest_life: the most seconds between `iat` and `exp` of a token. Keyfob gives none for
            longer than an hour; another issuer may.
        timeout: the seconds within which the issuer has to answer.
        quiet_for: the seconds without a word from the stream after which the feed is polled.
        refresh_interval: the seconds in which unknown keys lead to one fetch of the keys at most.
        allow_http: whether the issuer may be asked by http beyond this machine.
        hook: is told each event that `metrics` counts.
        clock: returns the seconds since 1970.

    Raises:
        ValueError: the issuer is no https address, or there is no audience.
    """

    _running: Engine | None = None

    def __init__(
        self,
        issuer: str,
        *,
        audience: str | Collection[str],
        client: Client | None = None,
        follow_revocations: bool = True,
        fail_open_for: float = 60.0,
        resource: str | None = None,
        required_claims: Collection[str] = REQUIRED,
        leeway: int = 10,
        check_proof: CheckProof | None = None,
        remembered: int = 10_000,
        longest_token: int = 8192,
        longest_life: int = 3600,
        timeout: float = 5.0,
        quiet_for: float = 15.0,
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
            longest_life=longest_life,
        )
        self.metrics = Metrics(hook=hook)
        self.resource = resource or _only_address(rules.audience)
        follows = client is not None and follow_revocations
        self._known = Known(clock, leeway=leeway, fail_open_for=fail_open_for) if follows else None
        self._judge = Judge(
            rules,
            self.metrics,
            clock,
            revoked=self._known,
            check_proof=check_proof,
            remembered=remembered,
        )
        self._reach = Reach(
            timeout=timeout,
            interval=refresh_interval,
            allow_http=allow_http,
            client=client,
            resource=self.resource,
            quiet_for=quiet_for,
        )
        self._schemes = frozenset({"bearer"} if check_proof is None else {"bearer", "dpop"})
        self._starting = threading.Lock()

    @property
    def issuer(self) -> str:
        """The issuer whose tokens are believed."""
        return self._judge.rules.issuer

    @property
    def audience(self) -> frozenset[str]:
        """The names of this service."""
        return self._judge.rules.audience

    @property
    def schemes(self) -> frozenset[str]:
        """The schemes of the header Authorization; DPoP if proofs are checked (RFC 9449)."""
        return self._schemes

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
                self._running = Engine(self._judge, self._reach, self._known, self.metrics)
            return self._running

    def _from_memory(self, engine: Engine, token: str, presented: object) -> AccessToken | None:
        """Judge a token by what is known; return None if the issuer has to be asked first."""
        text = engine.recall(token) if engine.is_ready else None
        if text is None:
            return None
        try:
            return self._judge.judge(text, presented)
        except UnknownKey:
            return None
        except InvalidToken:
            if text is token:
                raise
            engine.forget(token)  # the API key may still be good: perhaps a role has changed
            return None

    def _judge_found(self, engine: Engine, token: str, text: str, presented: object) -> AccessToken:
        """Judge what was just asked for; an API key whose token is of no use is refused a while."""
        try:
            return self._judge.judge(text, presented)
        except InvalidToken:
            if text is not token:
                engine.refuse(token)
            raise


def _only_address(audience: Collection[str]) -> str | None:
    addresses = [name for name in audience if "://" in name]
    return addresses[0] if len(addresses) == 1 else None


class Verifier(Trust):
    """Verifies access tokens, in programs and web servers that work with threads.

    It may be used by any number of threads at once.
    """

    def verify(self, token: str, presented: object = None) -> AccessToken:
        """Return what an access token says, if it is to be believed.

        Args:
            token: the token, or an API key of Keyfob, without the word Bearer.
            presented: what `check_proof` needs to see of the request.

        Raises:
            InvalidToken: it is not; `reason` says why, for the log.
            Unavailable: the issuer was not reached, so that it cannot be said.
        """
        engine = self._engine()
        try:
            judged = self._from_memory(engine, token, presented)
            if judged is None:
                text = engine.background.run(engine.find(token))
                judged = self._judge_found(engine, token, text, presented)
        except Refused as refused:
            self.metrics.refused[refused.reason] += 1
            raise
        return judged

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
            judged = self._from_memory(engine, token, presented)
            if judged is None:
                text = await engine.background.wait(engine.find(token))
                judged = self._judge_found(engine, token, text, presented)
        except Refused as refused:
            self.metrics.refused[refused.reason] += 1
            raise
        return judged

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)
