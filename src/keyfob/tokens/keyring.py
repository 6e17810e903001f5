"""The signing keys: next, active and retired; made, rotated, and kept in memory by every worker."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from keyfob.core.clock import SKEW, Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.encryption import Box
from keyfob.tokens import queries
from keyfob.tokens.errors import NoSigningKey
from keyfob.tokens.id_keys import IdTokenKeys, Recorder, key_that_signs
from keyfob.tokens.models import KeyHistory, SealedKey, SigningKey
from keyfob.tokens.sealed_keys import SealedKeys

log = structlog.get_logger("keyfob.keys")


async def _record_nothing(_: Tx, __: dict[str, Any]) -> None:
    """Record nothing, for tests of the keyring alone."""


async def was_used(db: Database) -> bool:
    """Tell whether a database has signing keys, and so a secret key that encrypted them."""
    return await queries.exists_any(db)


class Keyring:
    """Keeps the keys in memory; no request reads them from the database."""

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
        self._sealed = SealedKeys(box, clock)
        self._clock = clock
        self._algorithm = algorithm
        # A token signed just before its key retires lives for its TTL.
        self._known_for = token_ttl + SKEW
        self._rotate_after = rotate_after
        self._publish_ahead = publish_ahead
        self._record = record
        self._keys: dict[str, SigningKey] = {}
        self.id_tokens = IdTokenKeys(
            db,
            self._sealed,
            clock,
            rotate_after=rotate_after,
            publish_ahead=publish_ahead,
            record=record,
        )
        self._loading, self._preparing = asyncio.Lock(), asyncio.Lock()
        self._jwks = b""
        self._polled: tuple[int, ...] = ()
        # Whether the algorithm was another when this worker started; None before the start.
        self._asks_for_algorithm: bool | None = None
        self._waits_for = ""
        self.on_change: list[Callable[[], None]] = []

    def active(self, algorithm: str | None = None) -> SigningKey:
        """Return the key that signs access tokens now, or ID tokens by that algorithm.

        Raises:
            NoSigningKey: no such key is loaded.
        """
        if algorithm is not None:
            return self.id_tokens.active(algorithm)
        return key_that_signs([*self._keys.values()], self._clock.now())

    def newest(self) -> SigningKey:
        """Return the key that signs last: the active one, or a future one.

        Raises:
            NoSigningKey: no key is loaded.
        """
        if not self._keys:
            raise NoSigningKey
        return max(self._keys.values(), key=lambda key: key.position)

    @property
    def is_overdue(self) -> bool:
        """True if the next key should sign already, by a day, and there is none."""
        if not self._keys:
            return True
        due = self.newest().signs_from + self._rotate_after
        return self._clock.now() > due + timedelta(days=1) or self.id_tokens.is_overdue

    @property
    def jwks(self) -> bytes:
        """The public keys as a JWK Set.

        Raises:
            NoSigningKey: no key is loaded; an empty set would be believed, and cached.
        """
        if not self._jwks:
            raise NoSigningKey
        return self._jwks

    @property
    def max_age(self) -> int:
        """The seconds for which the JWKS may be cached: less than a key is published ahead."""
        return min(300, int(self._publish_ahead.total_seconds()) // 2)

    def find(self, kid: str) -> SigningKey | None:
        """Return the key with that id if it may still verify access tokens, without I/O.

        Raises:
            NoSigningKey: no key is loaded, so the answer is unknown.
        """
        if not self._keys:
            raise NoSigningKey
        return self._keys.get(kid)

    async def load(self) -> None:
        """Read the keys into memory; make the first one if there is none."""
        async with self._loading:
            usable = await self._list_usable()
            if not usable:
                await self._make_first()
                usable = await self._list_usable()
            before = self._keys.keys()
            await self.id_tokens.load()
            self.hold([self._sealed.open(sealed) for sealed in usable])
            if usable and self._asks_for_algorithm is not False:
                self._asks_for_algorithm = self.newest().algorithm != self._algorithm
        if before != self._keys.keys():
            for tell in self.on_change:
                tell()

    def hold(self, keys: Sequence[SigningKey]) -> None:
        """Sign and verify with these keys, the oldest first, and with no others."""
        self._keys = {key.kid: key for key in keys}
        public = [key.public_jwk for key in keys] + self.id_tokens.public_jwks
        self._jwks = json.dumps({"keys": public}).encode()

    async def prepare(self, algorithm: str) -> None:
        """Make the first key that signs ID tokens by an algorithm, if there is none.

        Raises:
            DatabaseUnavailable: there is none, and the database does not answer.
        """
        async with self._preparing:
            if not self.id_tokens.has(algorithm):
                await self.id_tokens.make_if_due(algorithm)
                await self.load()

    async def poll(self, db: Executor) -> None:
        """Read the keys if one was made or dropped since the last poll, without notices."""
        polled = await queries.count_keys(db)
        if polled != self._polled:
            await self.load()
            self._polled = polled

    async def list_all(self) -> list[dict[str, Any]]:
        """Return every key ever made with its state: next, active, retiring, retired, dropped."""
        keys = await queries.list_all_keys(self._db) + await self.id_tokens.list_all()
        return [{**key._asdict(), "state": self._state(key)} for key in keys]

    def _state(self, key: KeyHistory) -> str:
        now, retires_at = self._clock.now(), key.retires_at
        if key.dropped_at is not None:
            return "dropped"
        if key.signs_from > now:
            return "next"
        if retires_at is None or retires_at > now:
            return "active"
        until = retires_at + (
            self.id_tokens.known_for if key.signs == "id_tokens" else self._known_for
        )
        return "retiring" if until > now else "retired"

    async def rotate(
        self, *, publish_ahead: timedelta | None = None, compromised: bool = False
    ) -> str:
        """Make the next key and return its kid; it signs once it was published long enough.

        With `compromised`, it signs at once, and every older key is refused from now on. The same
        is done for each algorithm of ID tokens.
        """
        now = self._clock.now()
        ahead = self._publish_ahead if publish_ahead is None else publish_ahead
        async with self._db.begin() as tx:
            await queries.lock_keys(tx)
            keys = await queries.list_all_keys(tx)
            position = keys[-1].position + 1 if keys else 1
            at_once = compromised or position == 1  # no other key could sign meanwhile
            kid = await self._insert(tx, position, now if at_once else now + ahead)
            if kid is None:  # pragma: no cover - the lock lets one at a time pass
                raise NoSigningKey
            if compromised:
                await queries.drop_keys_before(tx, position, now)
            made = {"kid": kid, "algorithm": self._algorithm, "compromised": compromised}
            await self._record(tx, made)
            await self.id_tokens.rotate(tx, ahead, compromised=compromised)
        log.info("signing_key_made", **made)
        await self.load()
        return kid

    async def rotate_when_due(self) -> None:
        """Make the next key early enough to be published before the active one is too old.

        A change of the algorithm is only applied once per start of a worker, when the newest key
        signs. So instances that disagree do not alternate, and keys do not follow each other faster
        than they are published. The private half of a key that neither signs nor verifies any more
        is deleted.
        """
        await self.load()
        await queries.forget_private_keys(self._db, self._retired_before())
        newest, now = self.newest(), self._clock.now()
        due = newest.signs_from + self._rotate_after
        changes = bool(self._asks_for_algorithm) and newest.signs_from <= now
        if not changes and now < due - self._publish_ahead:
            self._warn_of_wait(newest)
            return
        soonest = now + self._publish_ahead
        signs_from = soonest if changes else max(due, soonest)
        made = None
        async with self._db.begin() as tx:
            # If several workers find it due, the position lets one win.
            if kid := await self._insert(tx, newest.position + 1, signs_from):
                made = {"kid": kid, "algorithm": self._algorithm, "compromised": False}
                await self._record(tx, made)
        if made:
            log.info("signing_key_made", **made)
            self._warn_of_change(newest, signs_from)
        await self.load()

    async def rotate_id_tokens_when_due(self) -> None:
        """Make the next key of each algorithm of ID tokens in time, and the first one of RS256."""
        await self.load()
        if await self.id_tokens.rotate_when_due():
            await self.load()

    def _warn_of_change(self, before: SigningKey, signs_from: datetime) -> None:
        if before.algorithm != self._algorithm:
            told = {"now": before.algorithm, "then": self._algorithm}
            log.warning("signing_algorithm_changes", **told, signs_from=signs_from.isoformat())

    def _warn_of_wait(self, following: SigningKey) -> None:
        if self._asks_for_algorithm and self._waits_for != following.kid:
            self._waits_for, until = following.kid, following.signs_from.isoformat()
            log.warning("signing_algorithm_waits", then=self._algorithm, until=until)

    async def reseal(self) -> int:
        """Encrypt every private key with the first secret key; return how many were not."""
        async with self._db.begin() as tx:
            usable = await queries.list_keys(tx, self._retired_before())
            renewed = [*self._sealed.renewed(usable)]
            for kid, private_key in renewed:
                await queries.update_private_key(tx, kid, private_key)
            return len(renewed) + await self.id_tokens.reseal(tx)

    async def count_sealed(self) -> Counter[int | None]:
        """Return the number of usable keys that each secret key encrypted, by its place."""
        usable = await self._list_usable()
        counted = Counter(self._sealed.box.place_of(sealed.private_key) for sealed in usable)
        return counted + await self.id_tokens.count_sealed()

    async def _insert(self, tx: Tx, position: int, signs_from: datetime) -> str | None:
        """Insert a key at that position and return its kid; None if another worker was faster."""
        key = await self._sealed.make(self._algorithm, position, signs_from)
        return key.kid if await queries.insert_key(tx, key) else None

    async def _make_first(self) -> None:
        async with self._db.begin() as tx:
            await self._insert(tx, 1, self._clock.now())

    def _retired_before(self) -> datetime:
        return self._clock.now() - self._known_for

    async def _list_usable(self) -> list[SealedKey]:
        return await queries.list_keys(self._db, self._retired_before())
