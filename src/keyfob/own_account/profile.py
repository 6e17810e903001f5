"""Changing one's own profile."""

import asyncio
from dataclasses import dataclass
from functools import cache
from uuid import UUID
from zoneinfo import available_timezones

from keyfob.accounts.changes import ProfileChanges
from keyfob.accounts.models import OwnUserOut
from keyfob.accounts.profiles import Profiles
from keyfob.accounts.service import Accounts
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import User
from keyfob.core.database import Database, Tx
from keyfob.core.problems import InvalidInput
from keyfob.devices.source import Source
from keyfob.sessions.standing import Standing


@dataclass(frozen=True, kw_only=True)
class OwnProfile:
    """Changes name, language and time zone, and records which of them were changed."""

    db: Database
    standing: Standing
    accounts: Accounts
    profiles: Profiles
    audit: Audit

    async def change(self, caller: User, changes: ProfileChanges, source: Source) -> OwnUserOut:
        """Change the caller's profile and return the account.

        Raises:
            InvalidInput: there is no such time zone.
            Unauthenticated: see `Standing.ensure`.
        """
        if changes.timezone is not None and not await is_timezone(changes.timezone):
            detail = "should be a name of the IANA database, such as Europe/Berlin"
            raise InvalidInput([{"pointer": "/body/timezone", "detail": detail}])
        if changes.sets:
            async with self.db.begin() as tx:
                await self.standing.ensure(tx, caller)
                differ = await self.accounts.change_profile(tx, caller.user_id, changes)
                if differ:
                    await self._record(tx, caller.user_id, differ, source)
        return await self.profiles.read(caller)

    async def _record(self, tx: Tx, user_id: UUID, differ: dict[str, str], source: Source) -> None:
        await self.audit.record(
            tx,
            action=Event.USER_PROFILE_CHANGED,
            actor_id=user_id,
            target_id=user_id,
            old=differ,
            new=differ,
            source=source,
        )


async def is_timezone(name: str) -> bool:
    """Tell whether this is exactly the name of a time zone in the IANA database."""
    # Reading the names takes 30 ms.
    return name in await asyncio.to_thread(timezones)


@cache
def timezones() -> frozenset[str]:
    """Return all names, of the system or else of the package `tzdata`; read at the first call."""
    return frozenset(available_timezones())
