"""The signing keys: next, active and retired; made, rotated, and held in memory by every worker."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from asyncpg import Record

from keyfob.core.clock import SKEW, Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.encryption import Box
from keyfob.core.secrets import random_text
from keyfob.tokens import algorithms, queries
from keyfob.tokens.errors import NoSigningKey
from keyfob.tokens.models import SigningKey

# Writes what was done in the transaction that does it: wiring hands in the audit log.
Recorder = Callable[[Tx, str, dict[str, Any]], Awaitable[None]]


async def _record_nothing(_: Tx, __: str, ___: dict[str, Any]) -> None:
    """Record nothing: for tests of the keyring alone."""


async def was_used(db: Database) -> bool:
    """Tell whether a database has signing keys, and so a secret key that sealed them."""
    return await queries.exists_any(db)


class Keyring:
    """Holds the keys in memory; no request reads them from the database."""

    def __init__(
        self,
        db: Database,
        box: Box,
        clock: Clock,
        *,
        algorithm: str,
        token_ttl: timedelta,
        rotate_after: timedelta,
        publish_ahead: timedelta,
        record: Recorder = _record_nothing,
    ) -> None:
        self._db = db
        self._box = box
        self._clock = clock
        self._algorithm = algorithm
        self._token_ttl = token_ttl
        self._rotate_after = rotate_after
        self._publish_ahead = publish_ahead
        self._record = record
        self._keys: dict[str, SigningKey] = {}
        self._by_header: dict[str, SigningKey] = {}
        self._loading = asyncio.Lock()
        self._jwks = b""
        self._polled = (0, 0)
        self.on_change: list[Callable[[], None]] = []

    def active(self) -> SigningKey:
        """Return the key that signs now: the newest that may.

        Raises:
            NoSigningKey: none was loaded.
        """
        now = self._clock.now()
        newest = None
        for key in self._keys.values():
            # The oldest may in any case: this clock may be behind that of the key's maker.
            if newest is None or key.signs_from <= now:
                newest = key
        if newest is None:
            raise NoSigningKey
        return newest

    @property
    def jwks(self) -> bytes:
        """The public keys as a JWK Set.

        Raises:
            NoSigningKey: none was loaded; an empty set would be believed, and cached.
        """
        if not self._jwks:
            raise NoSigningKey
        return self._jwks

    @property
    def max_age(self) -> int:
        """Seconds for which the JWKS may be cached: shorter than a key is published ahead."""
        return min(300, int(self._publish_ahead.total_seconds()) // 2)

    def find(self, kid: str) -> SigningKey | None:
        """Return the key with that id if it may still verify. A foreign id costs no I/O.

        Raises:
            NoSigningKey: none was loaded, so nobody can tell.
        """
        if not self._keys:
            raise NoSigningKey
        return self._keys.get(kid)

    def find_by_header(self, header: str) -> SigningKey | None:
        """Return the key whose tokens begin with exactly this header, if it may still verify."""
        return self._by_header.get(header)

    async def load(self) -> None:
        """Read the keys into memory; make the first one where there is none."""
        async with self._loading:
            records = await self._list_usable()
            if not records:
                await self._make_first()
                records = await self._list_usable()
            keys = {record["kid"]: self._open(record) for record in records}
            changed = keys.keys() != self._keys.keys()
            self._keys = keys
            self._by_header = {key.header: key for key in keys.values()}
            self._jwks = json.dumps({"keys": [key.public_jwk for key in keys.values()]}).encode()
        if changed:
            for tell in self.on_change:
                tell()

    async def poll(self, db: Executor) -> None:
        """Read the keys if one was made or dropped since the last poll: where nothing is heard."""
        polled = await queries.count_keys(db)
        if polled != self._polled:
            await self.load()
            self._polled = polled

    async def list_all(self) -> list[dict[str, Any]]:
        """Return every key ever made with its state: next, active, retiring, retired, dropped."""
        records = await queries.list_all_keys(self._db)
        return [{**dict(record), "state": self._state(record)} for record in records]

    def _state(self, record: Record) -> str:
        now, retires_at = self._clock.now(), record["retires_at"]
        if record["dropped_at"] is not None:
            return "dropped"
        if record["signs_from"] > now:
            return "next"
        if retires_at is None or retires_at > now:
            return "active"
        return "retiring" if retires_at > self._retired_before() else "retired"

    async def rotate(
        self, *, publish_ahead: timedelta | None = None, compromised: bool = False
    ) -> str:
        """Make the next key and return its kid; it signs once it was published long enough.

        With `compromised`, it signs at once and every older key is refused from now on.
        """
        now = self._clock.now()
        ahead = self._publish_ahead if publish_ahead is None else publish_ahead
        async with self._db.begin() as tx:
            await queries.lock_keys(tx)
            position = await self._next_position(tx)
            at_once = compromised or position == 1  # there is no other that could sign meanwhile
            kid = await self._insert(tx, position, now if at_once else now + ahead)
            if kid is None:  # pragma: no cover - the lock lets one at a time pass
                raise NoSigningKey
            if compromised:
                await queries.drop_keys_before(tx, position, now)
            await self._record(tx, "signing_key.rotated", {"kid": kid, "compromised": compromised})
        await self.load()
        return kid

    async def rotate_when_due(self) -> None:
        """Make the next key early enough to be published before the active one is too old.

        The private half of a key that neither signs nor verifies any more is forgotten.
        """
        await self.load()
        await queries.forget_private_keys(self._db, self._retired_before())
        newest = max(self._keys.values(), key=lambda key: key.position)
        due = newest.signs_from + self._rotate_after
        now = self._clock.now()
        if now < due - self._publish_ahead:
            return
        async with self._db.begin() as tx:
            # Of several workers that find it due, the position lets one win.
            signs_from = max(due, now + self._publish_ahead)
            if kid := await self._insert(tx, newest.position + 1, signs_from):
                await self._record(tx, "signing_key.rotated", {"kid": kid, "compromised": False})
        await self.load()

    async def reseal(self) -> int:
        """Seal every private key with the first secret key; return how many were not."""
        renewed = 0
        async with self._db.begin() as tx:
            for record in await queries.list_keys(tx, self._retired_before()):
                sealed, bound = record["private_key"], record["kid"].encode()
                if not self._box.is_current(sealed):
                    plain = self._box.open(sealed, bound)
                    await queries.update_private_key(
                        tx, record["position"], self._box.seal(plain, bound)
                    )
                    renewed += 1
        return renewed

    async def _make_first(self) -> None:
        async with self._db.begin() as tx:
            await self._insert(tx, 1, self._clock.now())

    async def _next_position(self, tx: Tx) -> int:
        records = await queries.list_all_keys(tx)
        return records[-1]["position"] + 1 if records else 1

    async def _insert(self, tx: Tx, position: int, signs_from: datetime) -> str | None:
        """Add the key at that position and return its kid; None if somebody else just did."""
        kid = random_text(12)
        private = await asyncio.to_thread(algorithms.generate, self._algorithm)
        added = await queries.insert_key(
            tx,
            position=position,
            kid=kid,
            algorithm=self._algorithm,
            public_jwk=algorithms.to_jwk(self._algorithm, kid, private.public_key()),
            private_key=self._box.seal(algorithms.to_pkcs8(private), kid.encode()),
            created_at=self._clock.now(),
            signs_from=signs_from,
        )
        return kid if added else None

    def _retired_before(self) -> datetime:
        # A token signed just before its key retires lives for its TTL.
        return self._clock.now() - self._token_ttl - SKEW

    async def _list_usable(self) -> list[Record]:
        return await queries.list_keys(self._db, self._retired_before())

    def _open(self, record: Record) -> SigningKey:
        private = algorithms.from_pkcs8(
            self._box.open(record["private_key"], record["kid"].encode())
        )
        return SigningKey(
            position=record["position"],
            kid=record["kid"],
            algorithm=record["algorithm"],
            public_jwk=record["public_jwk"],
            created_at=record["created_at"],
            signs_from=record["signs_from"],
            dropped_at=record["dropped_at"],
            public_key=private.public_key(),
            private_key=private,
        )
