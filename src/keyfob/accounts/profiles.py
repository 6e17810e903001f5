"""The caller's own account, from memory where possible.

`GET /me` is asked with every page view. An account is kept in memory for a few seconds, for the
session and token generation that asked. Changes are announced by the feed (a worker that polls sees
them when that time is over), a new role comes with a new generation, and while the feed is down
nothing is answered from memory.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from keyfob.accounts import queries
from keyfob.accounts.models import OwnUserOut
from keyfob.authority.models import ApiKey, App, User
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.problems import Unauthenticated


@dataclass(frozen=True, slots=True)
class _Profile:
    session_id: UUID
    generation: int
    until: datetime
    body: bytes


class Profiles:
    """Gives the JSON of the caller's account; keeps those of `most_users` at most in memory."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        online_within: timedelta,
        remembered: timedelta,
        hears_changes: Callable[[], bool],
        most_users: int = 10_000,
    ) -> None:
        self._db = db
        self._clock = clock
        self._online_within = online_within
        self._remembered = remembered
        self._hears_changes = hears_changes
        self.most_users = most_users
        self._known: OrderedDict[UUID, _Profile] = OrderedDict()  # the oldest first

    async def body_of(self, caller: User | ApiKey | App) -> bytes:
        """Return the caller's account as JSON bytes.

        Raises:
            Unauthenticated: the account is gone.
        """
        if not isinstance(caller, User):
            profile = await queries.find_profile(self._db, caller.user_id)
            if profile is None:
                raise Unauthenticated
            own = OwnUserOut.of_own(profile, self._clock.now(), self._online_within)
            return own.model_dump_json().encode()
        now = self._clock.now()
        known = self._known.get(caller.user_id)
        if (
            known is not None
            and known.generation == caller.generation
            and known.session_id == caller.session_id
            and known.until > now
            and self._hears_changes()
        ):
            return known.body
        return await self._read_and_remember(caller, now)

    def __len__(self) -> int:
        """Return how many accounts are in memory."""
        return len(self._known)

    def hear(self, notice: str) -> None:
        """Handle a notice of the feed: an account was changed, here or by another worker."""
        self._forget(UUID(notice))

    def forget_after(self, tx: Tx, user_id: UUID) -> None:
        """Drop an account from memory once `tx`, which changes it, is committed.

        This worker shows the change to the next request, even before the feed has announced it.
        """
        tx.after_commit(partial(self._forget, user_id))

    def _forget(self, user_id: UUID) -> None:
        self._known.pop(user_id, None)

    async def read(self, caller: User) -> OwnUserOut:
        """Return the caller's account as it is now.

        Raises:
            Unauthenticated: the account is gone.
        """
        now = self._clock.now()
        profile = await queries.find_profile(self._db, caller.user_id)
        if profile is None:
            raise Unauthenticated
        user = OwnUserOut.of_own(profile, now, self._online_within)
        # The caller is active now, though the worker has not written it down yet.
        return user.model_copy(update={"last_active_at": now, "online": True})

    async def _read_and_remember(self, caller: User, now: datetime) -> bytes:
        body = (await self.read(caller)).model_dump_json()
        self._forget_old(now)
        self._known.pop(caller.user_id, None)
        self._known[caller.user_id] = profile = _Profile(
            caller.session_id, caller.generation, now + self._remembered, body.encode()
        )
        return profile.body

    def _forget_old(self, now: datetime) -> None:
        """Make space for one more entry. Removes at most two, so that no request pays for many."""
        known = self._known
        for _ in range(2):
            oldest = next(iter(known.values()), None)
            if oldest and (oldest.until <= now or len(known) >= self.most_users):
                known.popitem(last=False)
