"""One change to many users, for administrators."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from keyfob.administration.authority import Actor
from keyfob.administration.bulk import MOST, Bulk, Run
from keyfob.administration.errors import CountDiffers
from keyfob.administration.models import Action, Ending, Line, UserFilter
from keyfob.authority.models import Permission, Role, User
from keyfob.authority.requiring import require
from keyfob.core.bodies import PartialBody, drop_null
from keyfob.core.http import Large, Provided, may_refuse, router, takes_large
from keyfob.core.http.streams import LongAnswer
from keyfob.core.problems import Problem
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited

routes = router("Administration", prefix="/admin")

_LIMITED = [Depends(limited("admin-bulk", by="caller"))]
_LINES = "application/x-ndjson"

_REQUIRED = require(Permission.USERS_READ, recent=True)
RecentReader = Annotated[User, _REQUIRED]
BulkService = Annotated[Bulk, Provided(Bulk)]
# The first wrong id is refused: ten thousand of them would be as many errors.
Ids = Annotated[list[UUID], Field(min_length=1, max_length=MOST, fail_fast=True)]


async def _admits(request: Request) -> bool:
    try:
        await _REQUIRED.dependency(request, None)
    except Problem:
        return False
    return True


# An id is 39 bytes in a body without spaces.
_LARGE = Large(most_bytes=524_288, most_values=MOST + 50, admits=_admits)


class BulkChange(PartialBody):
    """A change to the users named by `ids`, or to all that match `filters`.

    With `filters` comes the `count` of users that the caller saw. `role` belongs to `set-role`.
    """

    action: Action
    ids: Ids | None = Field(default=None, json_schema_extra=drop_null)
    filters: UserFilter | None = Field(default=None, json_schema_extra=drop_null)
    count: Annotated[int, Field(ge=0, le=MOST)] | None = Field(
        default=None, json_schema_extra=drop_null
    )
    role: Role | None = Field(default=None, json_schema_extra=drop_null)

    @model_validator(mode="after")
    def _fits(self) -> "BulkChange":
        if (self.ids is None) == (self.filters is None):
            raise ValueError("There should be either ids or filters")
        if (self.filters is None) != (self.count is None):
            raise ValueError("There should be a count with filters, and only then")
        if (self.action is Action.SET_ROLE) != (self.role is not None):
            raise ValueError("There should be a role with set-role, and only then")
        return self


class BulkUndo(PartialBody):
    """The changes to undo, by the `event_id` in the lines of their report."""

    event_ids: Ids


_REPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line of JSON for each user: `id`, `outcome` (`done` or `refused`), for"
        " what can be undone `event_id`, for what was refused `code` and `title`. The last line"
        " has `done`, `refused` and `left`, and a `code` if users are left",
        "content": {_LINES: {"schema": {"type": "string"}}},
    },
}


@routes.post(
    "/users/bulk",
    response_class=Response,
    dependencies=_LIMITED,
    responses={**_REPORT, **may_refuse(CountDiffers)},
)
@takes_large(_LARGE)
async def change_users(
    body: BulkChange, caller: RecentReader, source: RequestSource, bulk: BulkService
) -> Response:
    """Change many users, each in a transaction of its own, and report line by line.

    Rights are as for one user at a time, and asked again for each; the caller's own account is
    refused. The users are fixed at the start. A caller who leaves ends the change after the
    user that it is at: what was done is in the audit log.

    The caller needs a recent sign-in.
    """
    ids = body.ids
    if body.filters is not None and body.count is not None:
        ids = await bulk.choose(body.filters, body.count)
    actor = Actor(caller, source)
    return _report(await bulk.begin(actor, body.action, ids or [], role=body.role))


@routes.post("/users/bulk/undo", response_class=Response, dependencies=_LIMITED, responses=_REPORT)
@takes_large(_LARGE)
async def undo_changes(
    body: BulkUndo, caller: RecentReader, source: RequestSource, bulk: BulkService
) -> Response:
    """Undo blocks, their ends and roles that the caller has set within the last ten minutes.

    Only what is as the change left it is changed back. What a block ended stays ended: sessions,
    API keys and links. The lines of the report also name the event that they undo, as `undoes`.

    The caller needs a recent sign-in.
    """
    return _report(await bulk.begin_undo(Actor(caller, source), body.event_ids))


def _report(run: Run) -> Response:
    return LongAnswer(_written(run), media_type=_LINES, close=run.close)


async def _written(run: Run) -> AsyncIterator[bytes]:
    async for line in run.lines():
        values = _ending(line) if isinstance(line, Ending) else _line(line)
        yield json.dumps(values).encode() + b"\n"


def _line(line: Line) -> dict[str, Any]:
    values: dict[str, Any] = {"id": str(line.user_id)} if line.user_id else {}
    if line.undoes:
        values["undoes"] = str(line.undoes)
    values["outcome"] = "refused" if line.refusal else "done"
    if line.event_id:
        values["event_id"] = str(line.event_id)
    return values | _told(line.refusal)


def _ending(ending: Ending) -> dict[str, Any]:
    counts = {"done": ending.done, "refused": ending.refused, "left": ending.left}
    return counts | _told(ending.why)


def _told(problem: Problem | None) -> dict[str, str]:
    return {"code": problem.code, "title": problem.title} if problem else {}
