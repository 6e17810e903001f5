"""The export of everything stored about a person, as one JSON document."""

import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import User
from keyfob.core.addresses import share_of
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.fair_queue import Crowded, Places
from keyfob.core.problems import Unauthenticated, Unavailable
from keyfob.devices.source import Source
from keyfob.mfa.stepup import FactorStepUp
from keyfob.own_account import queries
from keyfob.own_account.queries import Row
from keyfob.sessions.standing import Standing

_PAGE = 200  # takes some milliseconds of the event loop
_PIECE = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS

_Page = Callable[[Row | None], Coroutine[Any, Any, list[Row]]]


@dataclass(frozen=True)
class Packed:
    """A document compressed as gzip (RFC 1952), and its size in bytes when unpacked."""

    gzip: bytes
    size: int

    async def unpacked(self) -> AsyncIterator[bytes]:
        """Yield the unpacked document in pieces."""
        unpacker = zlib.decompressobj(_GZIP)
        rest = self.gzip
        while not unpacker.eof:
            yield unpacker.decompress(rest, _PIECE)
            rest = unpacker.unconsumed_tail


@dataclass(frozen=True, kw_only=True)
class OwnExport:
    """Collects all data about a user.

    It is read page by page in one snapshot of the database and compressed in memory: a hundred
    thousand sign-ins take a few megabytes. Only then is it sent, so that a slow reader holds no
    database connection. A worker makes two exports at once, of one network a single one; others
    wait in turns by network.

    Args:
        places: the exports at once.
        longest_wait: the seconds that a further one waits.
    """

    db: Database
    standing: Standing
    step_up: FactorStepUp
    audit: Audit
    clock: Clock
    places: Places = field(default_factory=lambda: Places(2, of_one=1, most_waiting=100))
    longest_wait: float = 10.0

    async def gather(self, caller: User, source: Source) -> Packed:
        """Return the document of the caller, and record the export in the audit log.

        Raises:
            Unauthenticated: see `Standing.ensure`; the account may have been deleted meanwhile.
            InsufficientAuthentication: the user has a factor, which this session has not presented.
            Unavailable: too many exports are running.
        """
        # Threat: a session opened with a stolen password before the owner added a factor.
        await self.step_up.ensure_factor(caller)
        share = share_of(source.address, caller.user_id)
        try:
            await self.places.take(share, self.longest_wait)
        except (TimeoutError, Crowded):
            raise Unavailable("Too many exports at once", retry_after=10) from None
        try:
            async with self.db.begin(snapshot=True) as tx:
                packed = await self._pack(tx, caller.user_id)
        finally:
            self.places.give(share)
        async with self.db.begin() as tx:
            # Threat: after an erasure, the record would contain the person's address.
            await self.standing.ensure(tx, caller)
            await self.step_up.ensure_factor(caller, tx)
            await self.audit.record(
                tx,
                action=Event.USER_EXPORTED,
                actor_id=caller.user_id,
                target_id=caller.user_id,
                source=source,
            )
        return packed

    async def _pack(self, tx: Tx, user_id: UUID) -> Packed:
        packer = zlib.compressobj(wbits=_GZIP)
        packed, size = [], 0
        async for piece in self._pieces(tx, user_id):
            packed.append(packer.compress(piece))
            size += len(piece)
        return Packed(b"".join([*packed, packer.flush()]), size)

    async def _pieces(self, tx: Tx, user_id: UUID) -> AsyncIterator[bytes]:
        person = await queries.find_person(tx, user_id)
        if person is None:
            raise Unauthenticated
        yield b'{"exported_at":' + to_json(self.clock.now())
        yield b',"account":' + to_json(person)
        yield b',"factors":' + to_json(await queries.list_factors(tx, user_id))
        codes_left = await queries.count_recovery_codes(tx, user_id)
        yield b',"recovery_codes_left":' + to_json(codes_left)
        yield b',"roles":' + to_json(await queries.list_roles(tx, user_id))
        yield b',"consents":' + to_json(await queries.list_consents(tx, user_id))
        yield b',"links":' + to_json(await queries.list_links(tx, user_id))
        pending = await queries.list_pending_logins(tx, user_id)
        yield b',"pending_sign_ins":' + to_json(pending)
        yield b',"queued":' + to_json(await queries.list_jobs(tx, user_id))
        for name, page in _long_lists(tx, user_id).items():
            yield b',"' + name.encode() + b'":'
            async for piece in _paged(page):
                yield piece
        yield b"}"


def _long_lists(tx: Tx, user_id: UUID) -> dict[str, _Page]:
    """Return the lists that can be too long for one read: each function returns the next page."""
    return {
        "api_keys": lambda last: queries.list_api_keys(
            tx, user_id, last["id"] if last else None, _PAGE
        ),
        "sessions": lambda last: queries.list_sessions(
            tx, user_id, last["id"] if last else None, _PAGE
        ),
        "logins": lambda last: queries.list_logins(
            tx, user_id, (last["at"], last["id"]) if last else None, _PAGE
        ),
        "audit": lambda last: queries.list_events(
            tx, user_id, last["position"] if last else None, _PAGE
        ),
    }


async def _paged(page: _Page) -> AsyncIterator[bytes]:
    rows = await page(None)
    yield to_json(rows)[:-1]
    while len(rows) == _PAGE:
        rows = await page(rows[-1])
        if rows:
            yield b"," + to_json(rows)[1:-1]
    yield b"]"
