"""Work on many users: changes with a report, a question before removal, a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Depends
from starlette.responses import Response

from keyfob.administration.authority import Actor
from keyfob.administration.bulk import Bulk
from keyfob.administration.exports import UserExport
from keyfob.administration.models import Action, Consequences
from keyfob.authority.models import Permission, Role, User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided
from keyfob.core.http.streams import LongAnswer
from keyfob.core.locales import _
from keyfob.core.problems import InvalidInput
from keyfob.limits.requests import limited
from keyfob.web.console.asked import PATH, Asked
from keyfob.web.console.report import list_of, report
from keyfob.web.forms import Fields
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

RecentReader = Annotated[User, require(Permission.USERS_READ, recent=True)]
TheBulk = Annotated[Bulk, Provided(Bulk)]
_LIMITED = [Depends(limited("admin-bulk", by="caller"))]

# To remove more than these, their number is typed.
_FEW = 20


@dataclass(frozen=True, kw_only=True)
class SurePage:
    """Asks before users are removed: says what ends, and has the number of many typed.

    `fields` are those of the form that was sent.
    """

    template: ClassVar[str] = "console/sure.html"

    action: str
    back: str
    ends: Consequences
    is_many: bool
    fields: Sequence[tuple[str, str]]
    error: str = ""

    @property
    def errors(self) -> dict[str, str]:
        return {"typed": self.error} if self.error else {}


@routes.post("/console/users/bulk", dependencies=_LIMITED)
async def change_many(visit: AVisit, caller: RecentReader, bulk: TheBulk) -> Response:
    """Change the selected users, or all that match; removal is asked about first."""
    fields, actor = visit.fields, Actor(caller, visit.source)
    action, role = _action(fields)
    ids = await _chosen(fields, bulk)
    if not ids:
        return visit.go_to(list_of(visit))
    if action is Action.DELETE and not _is_sure(fields, len(ids)):
        return await _ask(visit, bulk, ids)
    return await report(visit, bulk, await bulk.begin(actor, action, ids, role=role))


@routes.post("/console/users/bulk/undo", dependencies=_LIMITED)
async def undo_many(visit: AVisit, caller: RecentReader, bulk: TheBulk) -> Response:
    """Undo changes by their ids."""
    ids = _ids(visit.fields.get("events").split())
    return await report(visit, bulk, await bulk.begin_undo(Actor(caller, visit.source), ids))


@routes.post("/console/users/export", dependencies=_LIMITED)
async def export_users(
    visit: AVisit, caller: RecentReader, export: Annotated[UserExport, Provided(UserExport)]
) -> Response:
    """Send the users that match as a table. It is no GET: the audit log tells of it."""
    wanted = Asked.read(dict(parse_qsl(visit.fields.get("state")))).wanted
    actor = Actor(caller, visit.source)
    await export.begin(actor, wanted)
    name = f"users-{visit.clock.now():%Y-%m-%d}.csv"
    return LongAnswer(
        export.rows(wanted, partial(visit.may_still, Permission.USERS_READ)),
        media_type="text/csv",
        close=partial(export.close, actor),
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _ask(visit: Visit, bulk: Bulk, ids: Sequence[UUID]) -> Response:
    is_wrong = "typed" in visit.fields
    left_out = {"typed", "sure"}
    page = SurePage(
        action=visit.link(f"{PATH}/bulk"),
        back=list_of(visit),
        ends=await bulk.weigh(ids),
        is_many=len(ids) > _FEW,
        fields=[
            (name, value)
            for name, values in visit.fields.values.items()
            if name not in left_out and not name.startswith("step-up-")
            for value in values
        ],
        error=_("Type the number of users.") if is_wrong else "",
    )
    return await visit.show(page, 422 if is_wrong else 200)


def _is_sure(fields: Fields, amount: int) -> bool:
    return fields.line("typed") == str(amount) if amount > _FEW else fields.get("sure") == "yes"


def _action(fields: Fields) -> tuple[Action, Role | None]:
    try:
        action = Action(fields.get("action"))
        role = Role(fields.get("role")) if action is Action.SET_ROLE else None
    except ValueError:
        raise InvalidInput([{"pointer": "/action", "detail": "no such action or role"}]) from None
    return action, role


async def _chosen(fields: Fields, bulk: Bulk) -> list[UUID]:
    """Return the users that the form names, or all that match its filters.

    Raises:
        CountDiffers: others match by now than the form says.
    """
    if fields.get("all") != "yes":
        return _ids(fields.list_all("ids"))
    count = fields.line("count")
    if not count.isdecimal() or len(count) > len("10000"):
        raise InvalidInput([{"pointer": "/count", "detail": "should be a number"}])
    return await bulk.choose(Asked.read(dict(parse_qsl(fields.get("state")))).wanted, int(count))


def _ids(texts: Sequence[str]) -> list[UUID]:
    try:
        return list(map(UUID, texts))
    except ValueError:
        raise InvalidInput([{"pointer": "/ids", "detail": "should be ids"}]) from None
