"""The toast that tells of a change of one account, and offers to undo it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Depends
from markupsafe import Markup
from starlette.responses import Response

from keyfob.accounts.errors import UserNotFound
from keyfob.administration.authority import Actor
from keyfob.administration.errors import NotAsLeft
from keyfob.administration.service import Administration
from keyfob.administration.undoing import Undoing
from keyfob.audit.models import AuditEvent
from keyfob.authority.models import Permission, User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided
from keyfob.core.locales import N_, gettext
from keyfob.core.problems import InvalidInput
from keyfob.limits.requests import limited
from keyfob.web.console.asked import PATH, Asked
from keyfob.web.console.reading import id_in
from keyfob.web.engine import Undo
from keyfob.web.parts.names import name
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

Writer = Annotated[User, require(Permission.USERS_WRITE)]

# Said in the list of users; the page of a user has its own.
_DONE: Mapping[str, str] = {
    "blocked": N_("%(name)s is blocked, and all sessions have ended."),
    "active": N_("%(name)s is active again."),
    "undone": N_("%(name)s is as before."),
}


@dataclass(frozen=True, kw_only=True)
class Undos:
    """Offers to undo the change that the query names, while that is possible."""

    administration: Administration
    undoing: Undoing

    async def offer(
        self, visit: Visit, caller: User, user_id: UUID | None, state: str | None = None
    ) -> Undo | None:
        """Return the form of a toast about an account; None if the caller may undo nothing of it.

        With the `state` of a list the form leads back there. Threat: a link has a toast name one
        account, and its Undo change another.
        """
        event = await self._find(visit, caller)
        if (
            event is None
            or event.target_id != user_id
            or not await self.undoing.is_as_left(self.administration.db, event)
        ):
            return None
        fields = {"event": str(event.id)} | ({} if state is None else {"state": state})
        return Undo(visit.link(f"{PATH}/undo"), fields, recent="role" in event.new_values)

    async def words(self, visit: Visit) -> str | None:
        """Return the sentence about the account that the query names; None for none."""
        said, who = _DONE.get(visit.request.query_params.get("done", "")), id_in(visit, "who")
        if said is None or who is None:
            return None
        with suppress(UserNotFound):
            user = await self.administration.accounts.get_profile(who)
            sentence = Markup(gettext(said))  # noqa: S704 - ours; what is put in is escaped
            return sentence % {"name": name(user.name or user.email)}
        return None

    async def _find(self, visit: Visit, caller: User) -> AuditEvent | None:
        event_id = id_in(visit, "undo")
        if event_id is None:
            return None
        found = await self.undoing.find(Actor(caller, visit.source), [event_id])
        return found.get(event_id)


@routes.post(f"{PATH}/undo", dependencies=[Depends(limited("admin", by="caller"))])
async def undo(
    visit: AVisit, caller: Writer, undoing: Annotated[Undoing, Provided(Undoing)]
) -> Response:
    """Undo a change of one account by the id of its event."""
    try:
        event_id = UUID(visit.fields.get("event"))
    except ValueError:
        raise InvalidInput([{"pointer": "/event", "detail": "should be an id"}]) from None
    actor = Actor(caller, visit.source)
    event = (await undoing.find(actor, [event_id])).get(event_id)
    if event is None or event.target_id is None:
        raise NotAsLeft
    await undoing.undo(actor, event)
    return back(visit, event.target_id, "undone")


def back(visit: Visit, user_id: UUID, done: str, event: object = None) -> Response:
    """Go back to the list that the form names by its `state`, else to the account.

    `done` says what was done, and `event` is the id of its event if it can be undone.
    """
    said = {"done": done, "undo": str(event) if isinstance(event, UUID) else ""}
    if "state" not in visit.fields:
        return visit.go(f"{PATH}/{user_id}", **said)
    state = dict(parse_qsl(visit.fields.get("state")))
    return visit.go(PATH, **Asked.read(state).here_by_name, **said, who=str(user_id))
