"""The list of users as a table for spreadsheets, which execute none of its cells."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyfob.accounts.models import NOT_KEPT
from keyfob.administration import queries
from keyfob.administration.authority import Actor, Authority
from keyfob.administration.models import ListedUser, Part, Sort, UserFilter
from keyfob.administration.places import Places
from keyfob.audit.events import Event
from keyfob.authority.models import Permission
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.problems import Unauthenticated

COLUMNS = (
    *("id", "email", "email_verified", "name", "role", "status", "second_factor", "locale"),
    *("timezone", "created_at", "last_active_at"),
)
# A spreadsheet would read these as the beginning of a formula, also in their wide form, or skip
# them on the way to one (OWASP, CSV Injection).
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - on purpose
# Where the decimal sign is a comma, a semicolon separates the cells of such a file: a formula may
# begin in the middle of ours, also in quotes. Other signs do where somebody chooses so.
_AFTER_SEPARATOR = re.compile(r'([;\t|:])([\s"]*)(?=[=+\-@＝＋－＠])')  # noqa: RUF001 - on purpose
# Without it, spreadsheets take UTF-8 for the machine's own encoding.
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
# The rows of one piece: a millisecond of the event loop.
_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class UserExport:
    """Writes the users that match a filter as CSV (RFC 4180), and records that.

    Args:
        places: the exports under way in this worker.
        page: the rows that are read at a time.
        pause: the seconds between two reads.
    """

    db: Database
    authority: Authority
    clock: Clock
    places: Places
    online_within: timedelta
    page: int = 1000
    pause: float = 0.01

    async def begin(self, actor: Actor, wanted: UserFilter) -> None:
        """Check the rights of an actor, take a place and record the export; `close` it in any case.

        Raises:
            Unauthenticated, Forbidden, InsufficientAuthentication: see `Authority`.
            TooManyRequests, Unavailable: see `Places.take`.
        """
        self.places.take(actor.user_id)
        try:
            async with self.db.begin() as tx:
                await self.authority.ensure(tx, actor, Permission.USERS_READ)
                await self.authority.ensure_recent(tx, actor)
                told = wanted.model_dump(mode="json", exclude_defaults=True)
                if wanted.search:  # it may be a name or an address
                    told["search"] = NOT_KEPT
                await self.authority.record(
                    tx, actor, Event.USERS_EXPORTED, None, new={"filters": told}
                )
        except BaseException:
            self.close(actor)
            raise

    def close(self, actor: Actor) -> None:
        """Give the place back."""
        self.places.give(actor.user_id)

    async def rows(
        self, wanted: UserFilter, may_still: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        """Yield the table in pieces, the oldest user first.

        `may_still` tells whether the reader still has the right, and is asked before each read.

        Raises:
            Unauthenticated: the right has ended, and the table is not complete.
        """
        yield _BYTE_ORDER_MARK.encode() + _written([COLUMNS])
        part = Part(sort=Sort.CREATED, limit=self.page)
        online_since = self.clock.now() - self.online_within
        while True:
            if not await may_still():
                raise Unauthenticated
            users = await queries.list_users(self.db, wanted, part, online_since)
            for start in range(0, len(users), _AT_ONCE):
                yield _written(map(_cells, users[start : start + _AT_ONCE]))
                await asyncio.sleep(0)
            if len(users) < self.page:
                return
            last = users[-1]
            part = Part(
                sort=Sort.CREATED, after=[last.place, str(last.profile.id)], limit=self.page
            )
            await asyncio.sleep(self.pause)


def _cells(user: ListedUser) -> list[str]:
    profile = user.profile._asdict() | {"second_factor": user.has_factor}
    return [cell_of(profile[column]) for column in COLUMNS]


def cell_of(value: object) -> str:
    """Return the text of a cell, which no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat()
    text = _AFTER_SEPARATOR.sub(r"\1\2'", str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text


def _written(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
