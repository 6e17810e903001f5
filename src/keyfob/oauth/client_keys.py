"""The keys of clients: registered, or published by the client at its `jwks_uri`."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from keyfob.clients.keys import ClientKey, choose_key, read_published, read_registered
from keyfob.clients.models import RegisteredClient
from keyfob.core.clock import Clock
from keyfob.core.outbound import Busy, CannotFetch, Outbound

log = structlog.get_logger("keyfob.oauth")

_FRESH = timedelta(minutes=5)
_KEPT = timedelta(hours=1)
_PAUSE = timedelta(minutes=1)
_PAUSES_AFTER_FAILURES = tuple(timedelta(seconds=seconds) for seconds in (5, 10, 20, 40))
_MOST = 1_000


@dataclass
class _Remembered:
    """The known keys of a client; of published ones, since when, and when they were last asked."""

    client: RegisteredClient
    keys: tuple[ClientKey, ...] = ()
    read_at: datetime | None = None
    asked_at: datetime | None = None
    failures: int = 0
    fetching: asyncio.Task[bool] | None = None

    def is_younger_than(self, age: timedelta, now: datetime) -> bool:
        return self.read_at is not None and now < self.read_at + age

    def may_be_asked(self, now: datetime) -> bool:
        pauses = (_PAUSE, *_PAUSES_AFTER_FAILURES, _PAUSE)
        pause = pauses[min(self.failures, len(pauses) - 1)]
        return self.asked_at is None or now >= self.asked_at + pause

    def is_of(self, client: RegisteredClient) -> bool:
        return (self.client.jwks, self.client.jwks_uri) == (client.jwks, client.jwks_uri)


@dataclass(kw_only=True)
class ClientKeys:
    """Finds the keys of clients, in memory if possible.

    Published keys are fetched by the guarded client alone, when they are five minutes old, and for
    an unknown key: at most once a minute per client and worker, by one request for all that wait;
    after a failure 5 s later, and then after twice as long each time, up to that minute.
    Threat: whoever registers itself names an address that an administrator has listed for others,
    or one that is slow; so such clients' keys are fetched by `of_strangers`, in turns by who asks.
    If the client's server is away, the last keys count for an hour. Threat: a key that leaked, and
    that the client does not publish any more, would be good for one more token.
    """

    outbound: Outbound
    of_strangers: Outbound
    clock: Clock
    _known: OrderedDict[UUID, _Remembered] = field(default_factory=OrderedDict)
    # Threat: strangers register clients by the thousand, and push off the keys of all others.
    _known_of_strangers: OrderedDict[UUID, _Remembered] = field(default_factory=OrderedDict)

    async def find(
        self, client: RegisteredClient, kid: str | None, algorithm: str
    ) -> ClientKey | None:
        """Return the key of a client that a header names; None if there is none."""
        known = self._recall(client)
        if client.jwks_uri is None:
            return choose_key(known.keys, kid, algorithm)
        now = self.clock.now()
        if not known.is_younger_than(_KEPT, now):
            known.keys = ()
        key = choose_key(known.keys, kid, algorithm)
        if key is None or not known.is_younger_than(_FRESH, now):
            await self._read(known, client.jwks_uri, now)
            key = choose_key(known.keys, kid, algorithm)
        return key

    async def _read(self, known: _Remembered, uri: str, now: datetime) -> None:
        """Read the keys of a client again, or wait until that has been done for somebody else."""
        for _ in range(2):  # the turn that did not come may have been another asker's
            fetching = self._begin(known, uri, now)
            # Shielded: others wait for it too.
            if fetching is None or await asyncio.shield(fetching):
                return

    async def close(self) -> None:
        """Stop what is being fetched."""
        for known in (*self._known.values(), *self._known_of_strangers.values()):
            if known.fetching is not None:
                known.fetching.cancel()

    def _recall(self, client: RegisteredClient) -> _Remembered:
        memory = self._known_of_strangers if client.is_self_registered else self._known
        known = memory.get(client.id)
        if known is None or not known.is_of(client):
            known = _Remembered(client, read_registered(client.jwks) if client.jwks else ())
            if len(memory) >= _MOST:
                memory.popitem(last=False)
            memory[client.id] = known
        memory.move_to_end(client.id)
        return known

    def _begin(self, known: _Remembered, uri: str, now: datetime) -> asyncio.Task[bool] | None:
        """Return the fetch that is under way, or begin one if the last is long enough ago."""
        if known.fetching is None and known.may_be_asked(now):
            before, known.asked_at = known.asked_at, now
            known.fetching = asyncio.create_task(self._fetch(known, uri, before))
        return known.fetching

    async def _fetch(self, known: _Remembered, uri: str, before: datetime | None) -> bool:
        """Fetch the keys; return False, as if nobody had asked since `before`, if no turn came."""
        client = known.client
        by = self.of_strangers if client.is_self_registered else self.outbound
        share = None if client.is_self_registered else (str(client.id),)
        try:
            answer = await by.get(uri, accept="application/jwk-set+json, */*;q=0.5", share=share)
            known.keys = read_published(answer.status, answer.body)
            known.read_at, known.failures = self.clock.now(), 0
        except Busy:
            known.asked_at = before
            return False
        except (CannotFetch, ValueError) as fault:
            known.failures += 1
            log.warning("client_keys_unavailable", client_id=str(client.id), fault=str(fault)[:200])
        finally:
            known.fetching = None
        return True
