"""The one guarded client for URLs that others registered: keys, documents and notices of clients.

Threat: whoever registers a URL can make this machine call it, from behind the firewall (SSRF).
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlencode, urlsplit

import httpcore
import httpx

from keyfob.core.addresses import Network, is_public, parse_address, share_of_asker
from keyfob.core.fair_queue import Crowded, Places, Share
from keyfob.core.forms import FORM

# Takes a host and a port, returns addresses; raises OSError if there are none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_MOST_BYTES = 64 * 1024
_MOST_OF_ALL = 2 * _MOST_BYTES  # heads and framing included
_AT_ONCE = 4 * 1024
_MOST_SECONDS = 5.0
_CONNECT_SECONDS = 2.0
_MOST_AT_ONCE = 16
_MOST_WAITING = 256
# A name server that does not answer holds a thread for longer than we wait for it.
_NAME_THREADS = 2 * _MOST_AT_ONCE
_PORTS = {"https": 443, "http": 80}


class CannotFetch(Exception):
    """The URL may not be called, or its response did not come in time or is too long.

    The message says which, for the log only, and never for the owner of the URL.
    """


class Busy(CannotFetch):
    """It was not even tried: too much is being fetched for others, or for the same asker."""


class Fetched(NamedTuple):
    """A response of any status; redirects are not followed."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class AllowList:
    """The hosts and networks that may be called although they are not public, also by http."""

    hosts: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def read(cls, entries: Iterable[str]) -> "AllowList":
        """Parse names of hosts, addresses, and networks in CIDR notation."""
        hosts, networks = set(), []
        for entry in entries:
            try:
                networks.append(ip_network(entry))
            except ValueError:
                hosts.add(entry.lower())
        return cls(frozenset(hosts), tuple(networks))

    def ensure_allowed(self, scheme: str, host: str, addresses: Sequence[str]) -> None:
        """Check every address of a host.

        Raises:
            CannotFetch: one of them is not allowed.
        """
        if not addresses:
            raise CannotFetch("the host has no address")
        if host in self.hosts:
            return
        for text in addresses:
            address = parse_address(text) if "%" not in text else None
            is_listed = any(address in network for network in self.networks) if address else False
            if not is_listed and (scheme != "https" or address is None or not is_public(address)):
                raise CannotFetch(f"{scheme} to {text} is not allowed")


class _Bounded(httpcore.AsyncNetworkStream):
    """A connection of which so many bytes are read in all, a few at a time.

    Threat: provisional responses without end, long heads and chunks of one byte are no body, and
    every few bytes of them are an event that the loop works on.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = _MOST_OF_ALL

    async def read(self, max_bytes: int, *args: Any, **options: Any) -> bytes:
        piece = await self._stream.read(min(max_bytes, _AT_ONCE), *args, **options)
        self._left -= len(piece)
        if self._left < 0:
            raise CannotFetch(f"the answer with its heads is longer than {_MOST_OF_ALL} bytes")
        await asyncio.sleep(0)  # others get a turn between pieces that came together
        return piece

    async def write(self, buffer: bytes, *args: Any, **options: Any) -> None:
        await self._stream.write(buffer, *args, **options)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _Bounded(await self._stream.start_tls(*args, **options))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to the checked addresses, even if the host of the URL resolves to others now."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        fault: Exception | None = None
        for address in self._addresses:
            try:
                connected = await self._network.connect_tcp(address, port, _CONNECT_SECONDS)
                return _Bounded(connected)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                fault = failed
        raise fault or httpcore.ConnectError(host)


@dataclass(kw_only=True)
class Outbound:
    """Calls URLs that clients registered.

    Only https to public addresses is allowed, except for hosts that an administrator listed. The
    name is resolved once, every address is checked, and the connection goes to one of these, so
    that a name that resolves to another address a moment later gains nothing. Redirects are not
    followed, proxies of the environment are ignored, and time, size and the number of connections
    are limited.

    Calls wait in shares that take turns, usually those of who asks, whose network holds a part of
    the connections and of the lookups of names at most. Threat: who names slow servers, or names
    that nobody resolves, would have all of them.

    Args:
        allow: hosts, addresses and networks that may be called as well, also by http.
        ca_file: further certificate authorities, as PEM.
        resolve: finds the addresses of a host; by default the system's resolver.
        seconds: the time for everything, from the resolution to the last byte. As long at most, a
            call waits for its turn before.
        of_one: the calls at once for one asker.
    """

    allow: Sequence[str] = ()
    ca_file: Path | None = None
    resolve: Resolve | None = None
    seconds: float = _MOST_SECONDS
    of_one: int = _MOST_AT_ONCE // 4
    _tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._allowed = AllowList.read(self.allow)
        self._turns = Places(_MOST_AT_ONCE, of_one=self.of_one, most_waiting=_MOST_WAITING)
        self._lookups = Places(_NAME_THREADS, of_one=self.of_one, most_waiting=_MOST_WAITING)
        # Threat: names that resolve slowly would occupy the threads that the database's name needs.
        self._names = ThreadPoolExecutor(_NAME_THREADS, thread_name_prefix="outbound-names")
        self._finding: dict[tuple[str, int], asyncio.Future[Any]] = {}
        self._making_tls = asyncio.Lock()

    async def get(
        self,
        url: str,
        *,
        accept: str = "application/json",
        share: Share | None = None,
        before: Callable[[], None] | None = None,
    ) -> Fetched:
        """Return the response to a GET request, of any status.

        `share` is the one whose turn it is; None: that of who asks. `before` is called once the
        turn has come and the host is found; what it raises goes to the caller.

        Raises:
            Busy: it was not tried, since no turn came.
            CannotFetch: it is not allowed, or there is no response within the limits.
        """
        return await self._ask("GET", url, {"Accept": accept}, share=share, before=before)

    async def post(
        self, url: str, form: Mapping[str, str], *, share: Share | None = None
    ) -> Fetched:
        """Send a form, and return the response, of any status.

        Raises:
            Busy, CannotFetch: see `get`.
        """
        content = urlencode(form).encode("ascii")
        headers = {
            "Accept": "*/*",
            "Content-Type": FORM,
            "Content-Length": str(len(content)),
        }
        return await self._ask("POST", url, headers, content, share=share)

    async def ensure_may_call(self, url: str) -> None:
        """Check a URL that is about to be registered, without calling it.

        A name that has no address yet may be called over https once it has a public one: each call
        checks again.

        Raises:
            CannotFetch: it leads to an address that is not allowed.
        """
        parts = _split(url)
        try:
            async with asyncio.timeout(self.seconds):
                addresses = await self._find(parts, share_of_asker())
        except (OSError, UnicodeError, Busy):  # also time-outs
            if parts.scheme == "https":
                return
            addresses = ()
        self._allowed.ensure_allowed(parts.scheme, str(parts.hostname), addresses)

    async def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
        *,
        share: Share | None,
        before: Callable[[], None] | None = None,
    ) -> Fetched:
        parts, share = _split(url), share or share_of_asker()
        try:
            async with _taken(self._turns, share, self.seconds), asyncio.timeout(self.seconds):
                addresses = await self._find(parts, share)
                if before is not None:
                    before()
                return await self._send(method, parts, addresses, headers, content)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as fault:
            raise CannotFetch(f"{type(fault).__name__}: {fault}") from fault
        except (OSError, UnicodeError) as fault:  # also time-outs, and errors of names
            raise CannotFetch(type(fault).__name__) from fault

    def apart(self, *, of_one: int) -> "Outbound":
        """Return one with the same rules, and connections of its own, that holds nobody up."""
        return Outbound(
            allow=self.allow,
            ca_file=self.ca_file,
            resolve=self.resolve,
            seconds=self.seconds,
            of_one=of_one,
        )

    async def close(self) -> None:
        """Release the threads that resolve names."""
        self._names.shutdown(wait=False, cancel_futures=True)

    async def _find(self, parts: SplitResult, share: Share) -> Sequence[str]:
        host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
        if self.resolve is not None:
            return await self.resolve(host, port)
        return await self._resolve(host, port, share)

    async def _send(
        self,
        method: str,
        parts: SplitResult,
        addresses: Sequence[str],
        further: Mapping[str, str],
        content: bytes | None,
    ) -> Fetched:
        host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
        self._allowed.ensure_allowed(parts.scheme, host, addresses)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        at = httpcore.URL(scheme=parts.scheme, host=host, port=port, target=target)
        headers = {
            "Host": parts.netloc,
            "Accept-Encoding": "identity",
            "User-Agent": "Keyfob",
            **further,
        }
        tls = await self._tls_context()
        async with (
            httpcore.AsyncConnectionPool(tls, network_backend=_Pinned(addresses)) as pool,
            pool.stream(method, at, headers=list(headers.items()), content=content) as answer,
        ):
            return await _read(answer)

    async def _resolve(self, host: str, port: int, share: Share) -> Sequence[str]:
        name = (host, port)
        if name not in self._finding:
            await _take(self._lookups, share, self.seconds / 2)
            if name in self._finding:  # begun meanwhile, for somebody else
                self._lookups.give(share)
            else:
                self._begin_to_find(name, share)
        # Shielded: a thread that waits for a name server cannot be stopped. Threat: a slow name,
        # asked for again and again, would occupy all of them.
        found = await asyncio.shield(self._finding[name])
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def _begin_to_find(self, name: tuple[str, int], share: Share) -> None:
        find = partial(socket.getaddrinfo, *name, type=socket.SOCK_STREAM)
        finding = asyncio.get_running_loop().run_in_executor(self._names, find)
        self._finding[name] = finding
        finding.add_done_callback(partial(self._found, name, share))

    def _found(self, name: tuple[str, int], share: Share, finding: asyncio.Future[Any]) -> None:
        del self._finding[name]
        self._lookups.give(share)  # not before: the thread was busy, whoever gave up
        if not finding.cancelled():
            finding.exception()  # those who wait get it; perhaps nobody does any more

    async def _tls_context(self) -> ssl.SSLContext:
        async with self._making_tls:  # once: it takes longer than most calls
            if self._tls is None:
                self._tls = await asyncio.to_thread(_make_tls_context, self.ca_file)
        return self._tls


@asynccontextmanager
async def _taken(places: Places, share: Share, longest: float) -> AsyncIterator[None]:
    await _take(places, share, longest)
    try:
        yield
    finally:
        places.give(share)


async def _take(places: Places, share: Share, longest: float) -> None:
    """Take a place.

    Raises:
        Busy: none became free in that time, or too many wait.
    """
    try:
        await places.take(share, longest)
    except (Crowded, TimeoutError):
        raise Busy("no turn came") from None


def _make_tls_context(ca_file: Path | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _split(url: str) -> SplitResult:
    """Parse a URL once for all uses: two parsers might find different hosts in it."""
    parts = _split_plain(url) if url.isascii() and url.isprintable() else None
    if parts is None or parts.scheme not in _PORTS or not parts.hostname:
        raise CannotFetch("it is not an http or https URL in ASCII, without user and fragment")
    return parts


def _split_plain(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return None
    return parts if has_port and not any(sign in url for sign in " \\@#") else None


async def _read(answer: httpcore.Response) -> Fetched:
    body = bytearray()
    async for piece in answer.aiter_stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise CannotFetch(f"the answer is longer than {_MOST_BYTES} bytes")
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in answer.headers
    )
    return Fetched(answer.status, headers, bytes(body))
