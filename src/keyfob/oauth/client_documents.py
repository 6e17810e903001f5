"""The documents in which clients describe themselves, fetched by the guarded client alone.

draft-ietf-oauth-client-id-metadata-document-03 sections 4 and 6.
"""

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import structlog

from keyfob.clients.documents import DocumentHosts, id_of_document
from keyfob.clients.models import KnownClient, RegisteredClient, Registrar
from keyfob.clients.registration import Unfit
from keyfob.clients.self_registration import SelfRegistered
from keyfob.clients.service import Clients
from keyfob.core.addresses import UNKNOWN, address_of_asker, share_of_asker
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.outbound import Busy, CannotFetch, Fetched, Outbound
from keyfob.core.problems import Problem, Unavailable
from keyfob.limits.rates import RateLimits

log = structlog.get_logger("keyfob.oauth")

_MOST_BYTES = 5 * 1024  # section 6.6
_SHORTEST, _USUAL, _LONGEST = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
_MAX_AGE = re.compile(r"(?:^|[,\s])(s-maxage|max-age)=\"?([0-9]{1,9})")
_JSON = re.compile(r"application/(?:[a-z0-9.-]+\+)?json(?:\s*;|\Z)")
_MOST_KNOWN = 1_000
_STALE = timedelta(hours=1)  # counts while its server is away
# In a minute, of one host: for one asker, and for all.
_A_MINUTE, _FOR_ONE, _FOR_ALL = timedelta(minutes=1), 10, 100
_MOST_COUNTED = 10_000
# Longer than a request waits for its user.
_KEPT, _KEPT_AT_LEAST = timedelta(hours=2), timedelta(minutes=70)
_WAIT = 600
_AWAY = frozenset({429, *range(500, 600)})  # what a server says that cannot answer now
# What a document says of a client; everything else is ours.
_DESCRIBED = (
    *("name", "kind", "grants", "scope", "resources", "auth_method", "jwks_uri"),
    *("redirect_uris", "id_token_alg", "dpop_bound"),
)


class UnusableDocument(Problem):
    """The document of a client is not to be had, or does not fit; the log says why."""

    status = 400
    code = "unusable_document"
    title = "The document in which the app describes itself cannot be used"


class _Read(NamedTuple):
    client: RegisteredClient
    at: datetime
    until: datetime


class _Asked(NamedTuple):
    since: datetime
    times: int


class _ReadMeanwhile(Exception):
    """Another has read the document while this one waited for a turn."""

    def __init__(self, read: _Read) -> None:
        super().__init__()
        self.read = read


class _TooOften(CannotFetch):
    """The host was asked too often."""


@dataclass(kw_only=True)
class ClientDocuments:
    """Finds the clients that describe themselves at the URL that is their `client_id`.

    A document is fetched without redirects, from public addresses, with at most 5 KB, and
    remembered for as long as it says, within five minutes and a day; failures are not. While it
    cannot be read again, it counts for another hour.

    Threat: links to us by the thousand, each with another URL, make us ask others by the thousand.
    So each worker asks a host for new documents ten times a minute for one network, a hundred times
    for all, and as often again for one that has been read before. Requests wait in turns by who
    asks (`Outbound`), who is counted for each document that is new here as for a registration.
    Threat: whoever has no turn holds up those who wait for the same document. So only those of one
    network share a request, and only what is really asked is counted.
    """

    db: Database
    clock: Clock
    clients: Clients
    self_registered: SelfRegistered
    outbound: Outbound
    hosts: DocumentHosts
    rates: RateLimits
    _known: OrderedDict[str, _Read] = field(default_factory=OrderedDict)
    _reading: dict[tuple[str, str], asyncio.Task[_Read]] = field(default_factory=dict)
    _asked: OrderedDict[tuple[str, str], _Asked] = field(default_factory=OrderedDict)

    async def find(self, url: str) -> RegisteredClient:
        """Return the client of a document, which has a row from then on.

        Raises:
            UnusableDocument: the document is not to be had, or is not that of such a client; or an
                administrator has disabled the client.
            TooManyRequests: too many that are new here were asked for from there.
            Unavailable: too many are being fetched for the same asker, or for all; or too many have
                rows that no user needs.
        """
        if not self.hosts.takes(url):
            raise UnusableDocument
        read = self._known.get(url)
        known = await self.clients.find(id_of_document(url))
        if read is None or read.until <= self.clock.now() or _is_younger(known, read):
            read = await self._read(url, known)
        return await self._keep(read.client)

    async def close(self) -> None:
        """Stop what is being fetched."""
        for reading in self._reading.values():
            reading.cancel()

    async def _read(self, url: str, known: KnownClient | None) -> _Read:
        try:
            return await asyncio.shield(self._begin(url, is_known=known is not None))
        except CannotFetch as fault:
            read = self._known.get(url)
            is_stale = read is not None and self.clock.now() < read.until + _STALE
            if read is not None and is_stale and not _is_younger(known, read):
                return read
            if isinstance(fault, Busy):
                raise Unavailable from None
            raise _unusable(url, fault) from None
        except ValueError as fault:
            self._known.pop(url, None)  # its owner says so
            raise _unusable(url, fault) from None

    def _begin(self, url: str, *, is_known: bool) -> asyncio.Task[_Read]:
        """Begin to fetch a document, if nobody of this network does; the others wait for it."""
        share = share_of_asker()[0]
        if (url, share) not in self._reading:
            # Threat: links to what its server does not have would use up the turns of its app.
            origin = url if is_known else urlsplit(url).netloc
            reading = asyncio.create_task(self._fetch(url, origin, share))
            self._reading[url, share] = reading
            reading.add_done_callback(lambda done: self._done((url, share), done))
        return self._reading[url, share]

    def _done(self, key: tuple[str, str], reading: asyncio.Task[_Read]) -> None:
        del self._reading[key]
        if not reading.cancelled():
            reading.exception()  # those who wait get it; perhaps nobody does any more

    def _count(self, origin: str, share: str) -> None:
        now = self.clock.now()
        for key, most in (((origin, share), _FOR_ONE), ((origin, ""), _FOR_ALL)):
            asked = self._asked.pop(key, None)
            if asked is None or asked.since + _A_MINUTE <= now:
                asked = _Asked(now, 0)
            is_full = asked.times >= most
            self._asked[key] = asked if is_full else asked._replace(times=asked.times + 1)
            if len(self._asked) > _MOST_COUNTED:
                self._asked.popitem(last=False)
            if is_full:
                raise _TooOften("asked too often")

    async def _fetch(self, url: str, origin: str, share: str) -> _Read:
        earlier = self._known.get(url)

        def before() -> None:
            read = self._known.get(url)
            if read is not None and read is not earlier:
                raise _ReadMeanwhile(read)
            self._count(origin, share)

        try:
            answer = await self.outbound.get(url, before=before)
        except _ReadMeanwhile as meanwhile:
            return meanwhile.read
        if answer.status in _AWAY:
            raise CannotFetch(f"status {answer.status}")
        return self._remember(url, answer)

    def _remember(self, url: str, answer: Fetched) -> _Read:
        client = self._describe(url, read_document(answer, url))
        now = self.clock.now()
        read = _Read(client, now, now + _lifetime(answer.headers))
        self._known.pop(url, None)
        self._known[url] = read
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return read

    def _describe(self, url: str, told: Mapping[str, Any]) -> RegisteredClient:
        told = {"client_name": urlsplit(url).netloc, **told}
        try:
            client = self.self_registered.read(told, Registrar.DOCUMENT)
        except Unfit as fault:
            raise ValueError(f"{fault.field}: {fault}") from None
        return client._replace(id=id_of_document(url), document=url)

    async def _keep(self, described: RegisteredClient) -> RegisteredClient:
        """Return a client as it is now, with a row that stays until its user has decided."""
        now = self.clock.now()
        known = await self.clients.find(described.id)
        if known and _is_as(known.client, described, now + _KEPT_AT_LEAST):
            return known.client
        client = described._replace(created_at=now, updated_at=now, kept_until=now + _KEPT)
        if known is None:
            # Threat: one network fills all that there is room for.
            await self.rates.hit("register-client", address_of_asker() or UNKNOWN)
            if await self.clients.is_full(Registrar.DOCUMENT):
                raise Unavailable(retry_after=_WAIT)
        async with self.db.begin() as tx:
            kept = await self.clients.put(tx, client)
        if kept.disabled_at is not None:
            raise UnusableDocument
        return kept


def read_document(answer: Fetched, url: str) -> Mapping[str, Any]:
    """Return what a document says.

    Raises:
        ValueError: it is no JSON object, is not of this URL, byte by byte, or holds a secret.
    """
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    if len(answer.body) > _MOST_BYTES:
        raise ValueError(f"it is longer than {_MOST_BYTES} bytes")
    kind = next((value for name, value in answer.headers if name == "content-type"), "")
    if not _JSON.match(kind.strip().lower()):
        raise ValueError("it is not declared as JSON")
    try:
        told = json.loads(answer.body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(told, dict) or told.get("client_id") != url:
        raise ValueError("its client_id is not its URL")
    if {"client_secret", "client_secret_expires_at"} & told.keys():
        raise ValueError("it holds a secret, which everybody can read")
    return told


def _unusable(url: str, fault: Exception) -> UnusableDocument:
    log.warning("client_document_unusable", url=url, fault=str(fault)[:200])
    return UnusableDocument()


def _lifetime(headers: Sequence[tuple[str, str]]) -> timedelta:
    """Return how long a document counts: as its server says (RFC 9111), within our bounds."""
    said = ",".join(value for name, value in headers if name == "cache-control").lower()
    if "no-store" in said or "no-cache" in said:
        return _SHORTEST
    ages = {name: int(seconds) for name, seconds in _MAX_AGE.findall(said)}
    if not ages:
        return _USUAL
    said_age = timedelta(seconds=ages.get("s-maxage", ages.get("max-age", 0)))
    return min(max(said_age, _SHORTEST), _LONGEST)


def _is_younger(known: KnownClient | None, read: _Read) -> bool:
    """Tell whether another worker has read something else since then, which is not to be lost."""
    if known is None or known.client.updated_at <= read.at:
        return False
    return any(getattr(known.client, name) != getattr(read.client, name) for name in _DESCRIBED)


def _is_as(client: RegisteredClient, described: RegisteredClient, until: datetime) -> bool:
    """Tell whether a row says what the document says, and stays until then."""
    is_same = all(getattr(client, name) == getattr(described, name) for name in _DESCRIBED)
    return is_same and client.kept_until is not None and client.kept_until >= until
