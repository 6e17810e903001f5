"""The feed as signed documents: what was revoked after a position, for whoever verifies tokens."""

import asyncio
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from keyfob.core.clock import SKEW, Clock
from keyfob.core.database import Database
from keyfob.core.encoding import to_base64url
from keyfob.core.pagination import Cursors
from keyfob.core.problems import InvalidCursor
from keyfob.revocation_feed import queries
from keyfob.revocation_feed.models import BEGINNING, Page, Position, Reading, Revoked
from keyfob.tokens.models import LONGEST_TTL, TokenKind
from keyfob.tokens.signing import SignedTokens

MOST_ENTRIES = 5000

# The seconds that a document is valid. Whoever replays one hides nothing for longer.
LIFETIME = 30

# Named anew if the form of a position changes: workers of another release then begin anew.
_KIND_OF_CURSOR = "revocations"
_NAMES = {
    "session": ("sid", "gen"),
    "subject": ("sub", "sub_gen"),
    "client": ("client_id", "client_gen"),
}
_KEYS_KEPT = timedelta(seconds=LONGEST_TTL) + SKEW

Entry = dict[str, str | int]


def feed_of(issuer: str) -> str:
    """Return the URL of the feed, which is also the audience of its documents."""
    return issuer.rstrip("/") + "/revocations"


def kind_of(issuer: str) -> TokenKind:
    """Return the kind of the feed's documents, which no other token is taken for."""
    return TokenKind("revocations+jwt", feed_of(issuer), LIFETIME, frozenset({"position"}))


@dataclass(kw_only=True)
class RevocationFeed:
    """Reads revocations from the database, and signs them.

    Each answer was read after it was asked for, so that whoever has just revoked something finds
    it. Those who ask for the same while it is being read share the next reading.
    """

    db: Database
    clock: Clock
    signed: SignedTokens
    cursors: Cursors
    _running: dict[object, asyncio.Task[Page]] = field(default_factory=dict)
    _following: dict[object, asyncio.Task[Page]] = field(default_factory=dict)

    async def read(
        self, after: str | None, *, at_most: int = MOST_ENTRIES, claiming: Position | None = None
    ) -> Page:
        """Return what follows a position; for one that is not known here, everything.

        Args:
            after: the position as text; None: everything.
            at_most: the most entries.
            claiming: the position that the last page is to end at, if everything up to there was
                read for certain, because somebody had read it before.

        Raises:
            DatabaseUnavailable: the database does not answer.
            NoSigningKey: no key is loaded.
        """
        asked = (self._position_of(after), at_most, claiming)
        task = self._following.get(asked)
        if task is None:
            task = self._following[asked] = asyncio.create_task(self._read_next(*asked))
            task.add_done_callback(_note_outcome)
        return await asyncio.shield(task)

    async def present(self) -> Position:
        """Return the position of a reader who has got everything.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        return (await self._read_after(BEGINNING, at_most=0)).present()

    async def _read_next(self, after: Position, at_most: int, claiming: Position | None) -> Page:
        asked = (after, at_most, claiming)
        if asked in self._running:
            await asyncio.wait([self._running[asked]])
        self._running[asked] = self._following.pop(asked)  # who asks from now on is too late for it
        try:
            return await self._page(after, at_most, claiming)
        finally:
            del self._running[asked]

    async def _page(self, after: Position, at_most: int, claiming: Position | None) -> Page:
        asked_at = self.clock.timestamp()  # not when it is signed: what comes between is not in it
        reading = await self._read_after(after, at_most=at_most + 1)
        continues = reading.continues(after)
        if not continues and after != BEGINNING:
            after = BEGINNING
            reading = await self._read_after(after, at_most=at_most + 1)
        more = len(reading.revoked) > at_most
        entries = [_entry(one) for one in reading.revoked[:at_most]]
        if after.dropped_keys < reading.dropped_keys:
            entries += [_of_key(kid, dropped_at) for kid, dropped_at in reading.kids.items()]
        reached = reading.reached(after, at_most)
        if claiming and not more and claiming.epoch == reached.epoch:
            reached = claiming
        position = self.text_of(reached)
        told = {"after": self.text_of(after)} if continues else {"complete": True}
        claims = {
            "iat": asked_at,
            "exp": asked_at + LIFETIME,
            **told,
            "position": position,
            "entries": entries,
            "more": more,
        }
        document = self.signed.sign(claims, lifetime=LIFETIME).encode("ascii")
        return Page(document, position, reached, len(entries), more, continues)

    async def _read_after(self, position: Position, *, at_most: int) -> Reading:
        now = self.clock.now()
        return await queries.read_after(
            self.db, position, now=now, dropped_after=now - _KEYS_KEPT, at_most=at_most
        )

    def text_of(self, position: Position) -> str:
        """Return a position as text, always the same for the same one."""
        offsets = [str(position.transaction - one) for one in position.open]
        where = [position.epoch, str(position.transaction), position.last_id.hex]
        further = [str(position.dropped_keys), str(position.restart), position.mark]
        return self.cursors.write(_KIND_OF_CURSOR, [*where, *further, *offsets])

    def _position_of(self, text: str | None) -> Position:
        if text is None:
            return BEGINNING
        try:
            place = self.cursors.read(_KIND_OF_CURSOR, text)
        except InvalidCursor:
            return BEGINNING
        epoch, transaction, last_id, dropped_keys, restart, mark, *offsets = place
        return Position(
            epoch,
            int(transaction),
            UUID(hex=last_id),
            int(dropped_keys),
            tuple(int(transaction) - int(offset) for offset in offsets),
            int(restart),
            mark,
        )


def _note_outcome(task: asyncio.Task[Page]) -> None:
    """Take note of a fault, if everybody who waited for it has left."""
    if not task.cancelled():
        task.exception()


def _entry(one: Revoked) -> Entry:
    expires = math.ceil(one.expires_at.timestamp())
    if one.kind == "token":
        return {"jti": to_base64url(one.id.bytes).decode("ascii"), "exp": expires}
    name, generation = _NAMES[one.kind]
    return {name: str(one.id), generation: one.generation, "exp": expires}


def _of_key(kid: str, dropped_at: datetime) -> Entry:
    return {"kid": kid, "exp": math.ceil((dropped_at + _KEYS_KEPT).timestamp())}
