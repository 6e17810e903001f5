"""The keys that sign ID tokens: for each algorithm a series, with rotations like the others."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from keyfob.core.clock import SKEW, Clock
from keyfob.core.database import Database, Tx
from keyfob.tokens import id_key_queries as queries
from keyfob.tokens.errors import NoSigningKey
from keyfob.tokens.models import LONGEST_ID_TOKEN, KeyHistory, SealedKey, SigningKey
from keyfob.tokens.sealed_keys import SealedKeys

log = structlog.get_logger("keyfob.keys")

# Every client can verify it (OpenID Connect Core section 15.1). Others sign when a client asks.
USUAL_ALGORITHM = "RS256"

# Records that a key was made, in the transaction that makes it: wiring passes in the audit log.
Recorder = Callable[[Tx, dict[str, Any]], Awaitable[None]]


def key_that_signs(keys: Sequence[SigningKey], now: datetime) -> SigningKey:
    """Return the newest one that may sign; the keys are of one series, the oldest first.

    Raises:
        NoSigningKey: there is no key.
    """
    if not keys:
        raise NoSigningKey
    # The oldest may in any case: this clock may be behind that of the key's maker.
    return next((key for key in reversed(keys) if key.signs_from <= now), keys[0])


class IdTokenKeys:
    """Keeps these keys in memory.

    The first key of a series signs at once; each other one is published ahead.
    """

    # A token signed just before its key retires lives for at most this.
    known_for = timedelta(seconds=LONGEST_ID_TOKEN) + SKEW

    def __init__(
        self,
        db: Database,
        sealed: SealedKeys,
        clock: Clock,
        *,
        rotate_after: timedelta,
        publish_ahead: timedelta,
        record: Recorder,
    ) -> None:
        self._db = db
        self._sealed = sealed
        self._clock = clock
        self._rotate_after = rotate_after
        self._publish_ahead = publish_ahead
        self._record = record
        self._keys: dict[str, SigningKey] = {}
        self._series: dict[str, list[SigningKey]] = {}

    def active(self, algorithm: str | None = None) -> SigningKey:
        """Return the key that signs by that algorithm now, by default RS256.

        Raises:
            NoSigningKey: there is none yet.
        """
        series = self._series.get(algorithm or USUAL_ALGORITHM, [])
        return key_that_signs(series, self._clock.now())

    def find(self, kid: str) -> SigningKey | None:
        """Return the key with that id if it may still verify."""
        return self._keys.get(kid)

    def has(self, algorithm: str) -> bool:
        """Tell whether a key signs by that algorithm."""
        return algorithm in self._series

    @property
    def public_jwks(self) -> list[dict[str, Any]]:
        """The public halves."""
        return [key.public_jwk for key in self._keys.values()]

    @property
    def is_overdue(self) -> bool:
        """True if a next key should sign already, by a day, and there is none."""
        late = self._clock.now() - self._rotate_after - timedelta(days=1)
        return any(series[-1].signs_from < late for series in self._series.values())

    async def load(self) -> None:
        """Read the keys into memory."""
        self.hold([self._sealed.open(sealed) for sealed in await self._list_usable()])

    def hold(self, keys: Sequence[SigningKey]) -> None:
        """Sign and verify with these keys, the oldest first, and with no others."""
        self._keys = {key.kid: key for key in keys}
        self._series = {}
        for key in keys:
            self._series.setdefault(key.algorithm, []).append(key)

    async def make_if_due(self, algorithm: str) -> bool:
        """Make the first key of a series, or the next one if it is due; tell whether one was made.

        Of several workers that find it due, one makes it, since RSA keys take long.
        """
        async with self._db.begin() as tx:
            await queries.lock_id_keys(tx)
            position, newest_signs_from = await queries.find_newest(tx, algorithm)
            signs_from = self._next_start(newest_signs_from)
            if signs_from is None:
                return False
            await self._make(tx, algorithm, position + 1, signs_from)
        return True

    async def rotate_when_due(self) -> bool:
        """Make what is due of RS256 and of each algorithm in use; tell whether a key was made.

        The private half of a key that neither signs nor verifies any more is deleted.
        """
        await queries.forget_private_id_keys(self._db, self._retired_before())
        due = [one for one in sorted({USUAL_ALGORITHM, *self._series}) if self._is_due(one)]
        return any([await self.make_if_due(algorithm) for algorithm in due])

    async def rotate(self, tx: Tx, ahead: timedelta, *, compromised: bool) -> None:
        """Make the next key of each series; see `Keyring.rotate`."""
        now = self._clock.now()
        await queries.lock_id_keys(tx)
        in_use = await queries.list_algorithms(tx)
        if compromised:
            await queries.drop_id_keys(tx, now)
        for algorithm in in_use:
            position, _ = await queries.find_newest(tx, algorithm)
            signs_from = now if compromised else now + ahead
            await self._make(tx, algorithm, position + 1, signs_from, compromised=compromised)

    async def list_all(self) -> list[KeyHistory]:
        """Return every key ever made."""
        return await queries.list_all_id_keys(self._db)

    async def reseal(self, tx: Tx) -> int:
        """Encrypt every private key with the first secret key; return how many were not."""
        renewed = [*self._sealed.renewed(await queries.list_id_keys(tx, self._retired_before()))]
        for kid, private_key in renewed:
            await queries.update_private_id_key(tx, kid, private_key)
        return len(renewed)

    async def count_sealed(self) -> Counter[int | None]:
        """Return the number of usable keys that each secret key encrypted, by its place."""
        usable = await self._list_usable()
        return Counter(self._sealed.box.place_of(sealed.private_key) for sealed in usable)

    def _is_due(self, algorithm: str) -> bool:
        series = self._series.get(algorithm)
        return self._next_start(series[-1].signs_from if series else None) is not None

    def _next_start(self, newest_signs_from: datetime | None) -> datetime | None:
        """Return from when the next key of a series signs; None if it need not be made yet."""
        now = self._clock.now()
        if newest_signs_from is None:
            return now
        due = newest_signs_from + self._rotate_after
        if now < due - self._publish_ahead:
            return None
        return max(due, now + self._publish_ahead)

    async def _make(
        self,
        tx: Tx,
        algorithm: str,
        position: int,
        signs_from: datetime,
        *,
        compromised: bool = False,
    ) -> None:
        key = await self._sealed.make(algorithm, position, signs_from)
        await queries.insert_id_key(tx, key)
        made = {"kid": key.kid, "algorithm": algorithm, "compromised": compromised}
        if position > 1:
            await self._record(tx, {**made, "signs": "id_tokens"})
        log.info("signing_key_made", signs="id_tokens", **made)

    def _retired_before(self) -> datetime:
        return self._clock.now() - self.known_for

    async def _list_usable(self) -> list[SealedKey]:
        return await queries.list_id_keys(self._db, self._retired_before())
