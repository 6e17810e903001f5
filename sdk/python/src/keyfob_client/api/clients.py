"""The two clients: shells that send what the core says, and wait as it says."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl, urlsplit

import httpx

from keyfob_client.api.administration import Administration
from keyfob_client.api.errors import ApiError
from keyfob_client.api.flow import Call, Flow, Lost, Manners, Outcome, Pause, Step
from keyfob_client.api.operations import Listing
from keyfob_client.api.stores import MemoryStore, Store, Tokens
from keyfob_client.fetching import check_url

T = TypeVar("T")


def _no_auth(request: httpx.Request) -> httpx.Request:
    return request


def _written(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as JSON and queries have them: moments in the form of RFC 3339."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in fields.items()
    }


def _next_page(answer: httpx.Response) -> Mapping[str, str] | None:
    """Return the query of the next page (RFC 8288); its address is not taken from an answer."""
    following = answer.links.get("next")
    return dict(parse_qsl(urlsplit(following["url"]).query)) if following else None


class _Client(Administration):
    """The part that both clients share.

    Args:
        url: the address of Keyfob's API, which is its issuer.
        store: keeps the tokens; in memory by default.
        api_key: an API key to present, if nobody signs in.
        timeout: the seconds within which each part of an answer has to come.
        manners: how to try again.
        allow_http: whether http may be used beyond this machine.

    Raises:
        ValueError: the address is not https.
    """

    def __init__(
        self,
        url: str,
        *,
        store: Store | None = None,
        api_key: str | None = None,
        timeout: float = 10.0,
        manners: Manners | None = None,
        allow_http: bool = False,
    ) -> None:
        super().__init__(store or MemoryStore(), manners or Manners(), api_key)
        self._given: dict[str, Any] = {
            "base_url": check_url(url, allow_http=allow_http),
            "timeout": timeout,
            "follow_redirects": False,
            "headers": {"User-Agent": "keyfob-client"},
            "auth": _no_auth,  # no netrc file is read
        }
        self._open()

    def _open(self) -> None:
        raise NotImplementedError

    @staticmethod
    def _parts(call: Call) -> dict[str, Any]:
        told = {name: value for name, value in (call.query or {}).items() if value is not None}
        headers = {"Authorization": f"Bearer {call.token}"} if call.token else {}
        body = {} if call.json is None else {"json": _written(call.json)}
        return {
            "method": call.method,
            "url": call.path,
            "params": _written(told),
            "headers": headers,
            **body,
        }


class Keyfob(_Client):
    """A client for programs that work with threads, any number of which may use it."""

    def _open(self) -> None:
        self._http = httpx.Client(**self._given)

    def run(self, flow: Flow[T], /) -> T:
        """Run what the core says, to its end."""
        outcome: Outcome = None
        try:
            while True:
                outcome = self._take(flow.send(outcome))
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            flow.close()

    def _take(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        if isinstance(step, Call):
            return self._send(step)
        try:
            return self.run(step.flow)
        except ApiError as refused:
            return refused

    def _send(self, call: Call) -> httpx.Response | Lost:
        try:
            return self._http.request(**self._parts(call))
        except httpx.HTTPError as why:
            return Lost(why)

    def items(self, listing: Listing[T], /) -> Iterator[T]:
        """Yield the items of a list, whose pages are asked for when they are needed."""
        query: Mapping[str, Any] | None = listing.query
        while query is not None:
            answer = self.run(self.call("GET", listing.path, query=query))
            yield from answer.json()
            query = _next_page(answer)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncKeyfob(_Client):
    """A client for programs that work with asyncio, any number of whose tasks may use it."""

    def _open(self) -> None:
        self._http = httpx.AsyncClient(**self._given)
        self._under_way: set[asyncio.Task[Tokens]] = set()

    async def run(self, flow: Flow[T], /) -> T:
        """Run what the core says, to its end."""
        outcome: Outcome = None
        try:
            while True:
                outcome = await self._take(flow.send(outcome))
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            flow.close()

    async def _take(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        if isinstance(step, Call):
            return await self._send(step)
        whole = asyncio.create_task(self.run(step.flow))
        self._under_way.add(whole)  # the event loop alone would not keep it
        whole.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(whole)
        except ApiError as refused:
            return refused

    async def _send(self, call: Call) -> httpx.Response | Lost:
        try:
            return await self._http.request(**self._parts(call))
        except httpx.HTTPError as why:
            return Lost(why)

    async def items(self, listing: Listing[T], /) -> AsyncIterator[T]:
        """Yield the items of a list, whose pages are asked for when they are needed."""
        query: Mapping[str, Any] | None = listing.query
        while query is not None:
            answer = await self.run(self.call("GET", listing.path, query=query))
            for item in answer.json():
                yield item
            query = _next_page(answer)

    async def close(self) -> None:
        """Close the connections; a refresh that is under way ends first."""
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
