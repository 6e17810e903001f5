"""The list of users, for administrators."""

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from keyfob.accounts.models import Status, UserOut
from keyfob.administration.authority import Actor
from keyfob.administration.exports import UserExport
from keyfob.administration.models import Factor, Search, Sort, UserFilter
from keyfob.administration.service import Administration
from keyfob.authority.models import Permission, Role, Subject, User
from keyfob.authority.requiring import may_still, require
from keyfob.core.bodies import Moment
from keyfob.core.http import AskedPage, Provided, refuse_unknown_query, router
from keyfob.core.http.streams import LongAnswer
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited

routes = router("Administration", prefix="/admin")

_LIMITED = [Depends(limited("admin", by="caller"))]

Reader = Annotated[Subject, require(Permission.USERS_READ, programs=True)]
RecentReader = Annotated[User, require(Permission.USERS_READ, recent=True)]
AdminService = Annotated[Administration, Provided(Administration)]


def _described(field: str) -> Any:
    return Query(description=UserFilter.model_fields[field].description)


async def _asked_users(
    *,
    request: Request,
    search: Annotated[Search | None, _described("search")] = None,
    role: Role | None = None,
    status: Status | None = None,
    online: Annotated[bool | None, _described("online")] = None,
    never_proven: Annotated[bool, _described("never_proven")] = False,
    verified: Annotated[bool | None, _described("verified")] = None,
    factor: Annotated[Factor | None, _described("factor")] = None,
    created_after: Annotated[Moment | None, _described("created_after")] = None,
    created_before: Annotated[Moment | None, _described("created_before")] = None,
    active_after: Annotated[Moment | None, _described("active_after")] = None,
) -> UserFilter:
    """Return the filter of a request; as a dependency, the class itself would run in a thread."""
    refuse_unknown_query(request)
    return UserFilter(
        search=search,
        role=role,
        status=status,
        online=online,
        never_proven=never_proven,
        verified=verified,
        factor=factor,
        created_after=created_after,
        created_before=created_before,
        active_after=active_after,
    )


@routes.get(
    "/users",
    dependencies=_LIMITED,
    response_model=list[UserOut],
    responses={
        200: {
            "headers": {
                "X-Total-Count": {
                    "description": "How many match; exact for role and status alone, else at most"
                    " 10000",
                    "schema": {"type": "integer"},
                },
                "X-Total-Capped": {
                    "description": "true: more match, and nobody has counted how many",
                    "schema": {"type": "boolean"},
                },
            }
        }
    },
)
async def list_users(
    response: Response,
    _: Reader,
    admin: AdminService,
    page: AskedPage,
    wanted: Annotated[UserFilter, Depends(_asked_users)],
    sort: Sort = Sort.CREATED,
    skip: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> Response:
    """List users. Follow the `Link` header to the next page; `skip` is for small lists only.

    Unknown parameters are refused.
    """
    kind = f"users {sort.value}"
    found = await admin.list_page(
        wanted, sort=sort, after=page.start(kind), skip=skip, limit=page.to_read
    )
    response.headers["X-Total-Count"] = str(found.total)
    response.headers["X-Total-Capped"] = "true" if found.is_capped else "false"
    shown = page.cut(kind, found.rows, lambda row: [row.place, str(row.profile.id)])
    now = admin.clock.now()
    return await page.answer(
        UserOut, shown, lambda row: UserOut.values_of(row.profile, now, admin.online_within)
    )


_CSV = "text/csv"
_TABLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A table with a line of names first, for spreadsheets: it begins with a byte"
        " order mark, and what would be a formula begins with an apostrophe",
        "content": {_CSV: {"schema": {"type": "string"}}},
    },
}


@routes.get(
    "/users.csv",
    dependencies=[Depends(limited("admin-bulk", by="caller"))],
    response_class=Response,
    responses=_TABLE,
)
async def export_users(
    request: Request,
    caller: RecentReader,
    source: RequestSource,
    export: Annotated[UserExport, Provided(UserExport)],
    wanted: Annotated[UserFilter, Depends(_asked_users)],
) -> Response:
    """Export the users that match as CSV, the oldest first; the audit log tells of it.

    The caller needs a recent sign-in. If its right or its token ends meanwhile, the connection is
    closed before the end of the table.
    """
    actor = Actor(caller, source)
    await export.begin(actor, wanted)
    name = f"users-{export.clock.now():%Y-%m-%d}.csv"
    return LongAnswer(
        export.rows(wanted, partial(may_still, request, Permission.USERS_READ)),
        media_type=_CSV,
        close=partial(export.close, actor),
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
