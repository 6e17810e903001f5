"""The core of both clients: generators that yield what to do next, and do no I/O themselves."""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from random import uniform
from typing import Any, NamedTuple, TypeVar

import httpx

from keyfob_client.api.errors import ApiError, NotReached, SignedOut, refusal
from keyfob_client.api.stores import Release, Store, Tokens

T = TypeVar("T")

_USED_SHARE = 0.8  # of a token's life, so that none expires on the way
_FIRST_PAUSE = 0.25  # seconds, doubled by each attempt
_LOCK_PAUSE = 0.02
_SIGNED_OUT: Mapping[str, Any] = {"code": "signed_out", "title": "Nobody is signed in"}
_ANOTHER: Mapping[str, Any] = {"code": "signed_out", "title": "Another session has begun"}
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Call:
    """A request to send. It shows neither its token nor its body, which may have a password."""

    method: str
    path: str
    json: Any = field(default=None, repr=False)
    query: Mapping[str, Any] | None = None
    token: str | None = field(default=None, repr=False)


class Pause(NamedTuple):
    """A time to wait, in seconds."""

    seconds: float


class Whole(NamedTuple):
    """A flow that goes on to its end, even if whoever waits for it is cancelled."""

    flow: "Flow[Tokens]"


class Lost(NamedTuple):
    """The request has no answer."""

    why: httpx.HTTPError


Step = Call | Pause | Whole
# What a shell hands back: the answer to a call, or that there is none; None after a pause; what a
# whole flow has returned or raised.
Outcome = httpx.Response | Lost | Tokens | ApiError | None
Flow = Generator[Step, Outcome, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """The behaviour of a client when something is wrong.

    Attributes:
        attempts: how often a request is sent at most.
        longest_pause: the most seconds to wait before the next attempt; whoever is told to wait
            longer is told so by an exception.
        clock: returns the seconds since 1970.
        spread: returns a share between 0 and 1. Clients that were refused together should not come
            back together.
    """

    attempts: int = 4
    longest_pause: float = 30.0
    clock: Callable[[], float] = time.time
    spread: Callable[[], float] = field(default=lambda: uniform(0.0, 1.0))  # noqa: S311 - no secret


class Core:
    """Sends requests with a token, and renews it.

    Args:
        store: keeps the tokens.
        manners: what to do when something is wrong.
        api_key: an API key to present instead of tokens.
    """

    def __init__(self, store: Store, manners: Manners, api_key: str | None) -> None:
        self.store = store
        self._manners = manners
        self._api_key = api_key

    def send(self, call: Call, *, may_repeat: bool = False) -> Flow[httpx.Response]:
        """Send a request until it is answered by something else than 429 and 503.

        Args:
            call: the request.
            may_repeat: whether to send it again if its answer was lost.

        Raises:
            NotReached: there was no answer.
            ApiError: the answer is no success, or a redirect, which is never followed: it could
                lead the token to another host.
        """
        attempt = 1
        while True:
            outcome = yield call
            is_last = attempt >= self._manners.attempts
            if isinstance(outcome, httpx.Response):
                if outcome.is_success:
                    return outcome
                wait = _retry_after(outcome)
                wrong = _refusal_of(outcome, wait)
                is_last = is_last or outcome.status_code not in {429, 503}
            else:
                wait, wrong = None, _not_reached(outcome)
                is_last = is_last or not (may_repeat or _was_unsent(outcome))
            # On top of what the server asks for; without its word, from zero.
            least = wait or 0.0
            pause = least + self._manners.spread() * _FIRST_PAUSE * 2.0**attempt
            if is_last or pause > self._manners.longest_pause:
                raise wrong
            yield Pause(pause)
            attempt += 1

    def call(
        self, method: str, path: str, json: Any = None, query: Mapping[str, Any] | None = None
    ) -> Flow[httpx.Response]:
        """Send a request in the name of who is signed in; a token that was refused is renewed once.

        Raises:
            SignedOut: nobody is, or no more in the session in which this began.
            ApiError: it is refused.
        """
        asked = Call(method, path, json, query, self._api_key)
        may_repeat = method == "GET"
        if self._api_key is not None:
            return (yield from self.send(asked, may_repeat=may_repeat))
        tokens = yield from self.fresh()
        try:
            return (
                yield from self.send(
                    replace(asked, token=tokens.access_token), may_repeat=may_repeat
                )
            )
        except SignedOut:
            tokens = yield from self._whole(self._renewed(tokens))
        return (
            yield from self.send(replace(asked, token=tokens.access_token), may_repeat=may_repeat)
        )

    def fresh(self) -> Flow[Tokens]:
        """Return tokens that are good for a while; renew them if need be, one caller at a time.

        Raises:
            SignedOut: nobody is signed in, or the session has ended.
            ApiError: Keyfob does not answer; the tokens stay.
        """
        tokens = self._held()
        if self._is_good(tokens):
            return tokens
        return (yield from self._whole(self._renewed(tokens)))

    def exchange(self, path: str, body: Any) -> Flow[Tokens]:
        """Send what replaces the tokens of this session, and keep the new ones.

        Raises:
            SignedOut: nobody is signed in, or no more in the session in which this began.
            ApiError: it is refused.
        """
        begun_with = self._held()
        return (yield from self._whole(self._exchanged(begun_with, path, body)))

    def locked(self) -> Flow[Release]:
        """Wait for the lock of the store; return what gives it back."""
        while (release := self.store.try_lock()) is None:
            yield Pause(_LOCK_PAUSE)
        return release

    def take(self, answer: httpx.Response) -> Tokens:
        """Keep the tokens of an answer."""
        told = answer.json()
        tokens = Tokens(
            str(told["access_token"]),
            str(told["refresh_token"]),
            self._manners.clock() + _USED_SHARE * float(told["expires_in"]),
            str(told["session_id"]),
        )
        self.store.save(tokens)
        return tokens

    def _held(self) -> Tokens:
        tokens = self.store.load()
        if tokens is None:
            raise SignedOut(0, _SIGNED_OUT)
        return tokens

    def _held_like(self, begun_with: Tokens) -> Tokens:
        """Return the tokens that are held, if they are of the same session.

        Threat: meanwhile another person has signed in, in whose name nothing may be done that the
        first one has asked for.
        """
        tokens = self._held()
        if tokens.session_id != begun_with.session_id:
            raise SignedOut(0, _ANOTHER)
        return tokens

    def _is_good(self, tokens: Tokens) -> bool:
        return self._manners.clock() < tokens.renew_at

    def _whole(self, flow: Flow[Tokens]) -> Flow[Tokens]:
        """Run a flow that nothing may end halfway.

        Keyfob's new tokens would be lost, and the next use of the old ones would end the session.
        """
        outcome = yield Whole(flow)
        if isinstance(outcome, ApiError):
            raise outcome
        if not isinstance(outcome, Tokens):
            raise TypeError(outcome)  # a shell that does not keep to the rules
        return outcome

    def _renewed(self, used: Tokens) -> Flow[Tokens]:
        release = yield from self.locked()
        try:
            tokens = self._held_like(used)
            if tokens.access_token != used.access_token and self._is_good(tokens):
                return tokens  # another has renewed them meanwhile
            return (yield from self._renew(tokens))
        finally:
            release()

    def _exchanged(self, begun_with: Tokens, path: str, body: Any) -> Flow[Tokens]:
        release = yield from self.locked()
        try:
            tokens = self._held_like(begun_with)
            if not self._is_good(tokens):
                tokens = yield from self._renew(tokens)
            asked = Call("POST", path, body)
            try:
                answer = yield from self.send(replace(asked, token=tokens.access_token))
            except SignedOut:
                tokens = yield from self._renew(tokens)
                answer = yield from self.send(replace(asked, token=tokens.access_token))
            return self.take(answer)
        finally:
            release()

    def _renew(self, tokens: Tokens) -> Flow[Tokens]:
        """Refresh. A lost answer is asked for again: the successor is the same, within a time."""
        call = Call("POST", "/refresh", {"token": tokens.refresh_token})
        try:
            answer = yield from self.send(call, may_repeat=True)
        except SignedOut:
            self.store.save(None)
            raise
        return self.take(answer)


def _was_unsent(outcome: Outcome) -> bool:
    return isinstance(outcome, Lost) and isinstance(outcome.why, _UNSENT)


def _not_reached(outcome: Outcome) -> ApiError:
    why = outcome.why if isinstance(outcome, Lost) else None
    return NotReached(0, {"code": "not_reached", "detail": repr(why)})


def _refusal_of(answer: httpx.Response, retry_after: float | None) -> ApiError:
    try:
        document = answer.json()
    except ValueError:
        document = None
    return refusal(answer.status_code, document, retry_after)


def _retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds of `Retry-After` (RFC 9110 section 10.2.3); Keyfob sends no dates."""
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdigit() else None
