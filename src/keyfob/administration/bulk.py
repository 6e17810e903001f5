"""One change to many accounts: each in a transaction of its own, with a report line by line."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple
from uuid import UUID

import structlog

from keyfob.accounts.changes import Changes
from keyfob.accounts.models import Status
from keyfob.administration import queries
from keyfob.administration.authority import Actor, Authority
from keyfob.administration.errors import CountDiffers, NotAsLeft, OwnAccount
from keyfob.administration.invitations import Invitations
from keyfob.administration.models import Action, Consequences, Ending, Line, Person, UserFilter
from keyfob.administration.places import Places
from keyfob.administration.service import Administration
from keyfob.administration.undoing import Undoing
from keyfob.authority.models import Permission, Role
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.problems import DatabaseUnavailable, Problem, Unauthenticated, Unavailable
from keyfob.core.transactions import to_the_end

MOST = 10_000

log = structlog.get_logger("keyfob.administration")

# After these, every further account would be refused for the same reason.
_ENDING = (Unauthenticated, DatabaseUnavailable, Unavailable)

Step = Callable[[], Awaitable[UUID | None]]


class Item(NamedTuple):
    """One account of a bulk change, and what is done to it; `user_id` None: there is nothing."""

    user_id: UUID | None
    step: Step
    undoes: UUID | None = None


@dataclass(kw_only=True)
class Bulk:
    """Changes many accounts, and undoes that, by the same flows as one at a time.

    Rights are asked again for each account, under its lock. A change never concerns the caller's
    own account.

    Args:
        places: the bulk changes under way in this worker.
        pause: the seconds between two accounts. Each takes the lock on the administrators for a
            moment, for which their other calls wait.
    """

    db: Database
    administration: Administration
    invitations: Invitations
    authority: Authority
    clock: Clock
    undoing: Undoing
    places: Places
    pause: float = 0.005
    is_stopping: bool = False

    def stop(self) -> None:
        """End all bulk changes after the account that each is at."""
        self.is_stopping = True

    async def choose(self, wanted: UserFilter, count: int) -> list[UUID]:
        """Return the ids of the users that match a filter, if they are as many as the caller saw.

        Raises:
            CountDiffers: they are more or fewer; its `count` is their number, up to one more than
                `MOST`.
        """
        online_since = self.clock.now() - self.administration.online_within
        ids = await queries.list_ids(self.db, wanted, online_since, MOST + 1)
        if len(ids) != count:
            raise CountDiffers(extra={"count": len(ids)})
        return ids

    async def weigh(self, ids: Sequence[UUID]) -> Consequences:
        """Return what would end if these users were removed, to say so before it is done."""
        return await queries.count_consequences(self.db, ids, self.clock.now())

    async def list_people(self, ids: Sequence[UUID]) -> dict[UUID, Person]:
        """Return the names and addresses of users, for the report; removed ones have none later."""
        return await queries.list_people(self.db, ids)

    async def begin(
        self, actor: Actor, action: Action, ids: Sequence[UUID], *, role: Role | None = None
    ) -> "Run":
        """Check the actor's rights and return the change, which begins with its first line.

        Call its `close` in any case. `role` is that of `Action.SET_ROLE`.

        Raises:
            Unauthenticated, Forbidden, InsufficientAuthentication: see `Authority`.
            TooManyRequests, Unavailable: see `Places.take`.
        """
        signs_out = action is Action.SIGN_OUT
        needed = Permission.SESSIONS_END if signs_out else Permission.USERS_WRITE
        await self._ensure(actor, needed, role)
        items = [
            Item(user_id, partial(self._change, actor, action, role, user_id))
            for user_id in dict.fromkeys(ids)
        ]
        return self._run(actor, action, items)

    async def begin_undo(self, actor: Actor, event_ids: Sequence[UUID]) -> "Run":
        """Do the same for changes that are to be undone, by the ids of their audit events.

        What a block ended stays ended.
        """
        await self._ensure(actor, Permission.USERS_WRITE, None)
        events = await self.undoing.find(actor, event_ids)
        items = []
        for event_id in dict.fromkeys(event_ids):
            event = events.get(event_id)
            user_id = event.target_id if event else None
            items.append(Item(user_id, partial(self.undoing.undo, actor, event), event_id))
        return self._run(actor, "undo", items)

    async def _ensure(self, actor: Actor, permission: Permission, role: Role | None) -> None:
        async with self.db.begin() as tx:
            powers = await self.authority.ensure(tx, actor, permission)
            powers.ensure_cover((), role or Role.USER)
            await self.authority.ensure_recent(tx, actor)

    def _run(self, actor: Actor, name: str, items: Sequence[Item]) -> "Run":
        self.places.take(actor.user_id)
        return Run(self, actor, name, items)

    async def _change(
        self, actor: Actor, action: Action, role: Role | None, user_id: UUID
    ) -> UUID | None:
        """Change one account; return the id of the event by which this can be undone."""
        match action:
            case Action.SIGN_OUT:
                await self.administration.log_out_everywhere(actor, user_id)
            case Action.INVITE:
                await self.invitations.invite(actor, user_id)
            case Action.DELETE:
                await self.administration.delete(actor, user_id)
            case Action.BLOCK:
                return await self.administration.change(
                    actor, user_id, Changes(status=Status.BLOCKED)
                )
            case Action.UNBLOCK:
                return await self.administration.change(
                    actor, user_id, Changes(status=Status.ACTIVE)
                )
            case Action.SET_ROLE:
                return await self.administration.change(actor, user_id, Changes(role=role))
        return None


@dataclass
class Run:
    """A bulk change under way."""

    bulk: Bulk
    actor: Actor
    name: str
    items: Sequence[Item]
    outcomes: Counter[str] = field(default_factory=Counter)

    def close(self) -> None:
        """Give its place back, and log what was done."""
        self.bulk.places.give(self.actor.user_id)
        left = len(self.items) - self.outcomes.total()
        log.info("bulk_ended", action=self.name, left=left, **self.outcomes)

    async def lines(self) -> AsyncIterator[Line | Ending]:
        """Yield a line for each account once that is decided, and then the ending.

        If the caller leaves, the account at hand is finished, and no other is begun.
        """
        why: Problem | None = None
        for item in self.items:
            if self.bulk.is_stopping:
                why = Unavailable("The service is stopping")
            if why:
                break
            line = await to_the_end(self._line(item))
            self.outcomes["refused" if line.refusal else "done"] += 1
            if isinstance(line.refusal, _ENDING):
                why = line.refusal
            yield line
            await asyncio.sleep(self.bulk.pause)
        done, refused = self.outcomes["done"], self.outcomes["refused"]
        yield Ending(done, refused, len(self.items) - done - refused, why)

    async def _line(self, item: Item) -> Line:
        try:
            if item.user_id is None:
                raise NotAsLeft
            if item.user_id == self.actor.user_id:
                raise OwnAccount
            return Line(item.user_id, event_id=await item.step(), undoes=item.undoes)
        except Problem as refusal:
            return Line(item.user_id, refusal=refusal, undoes=item.undoes)
