"""The account's page of data: the export as a download, and erasure with the way back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from fastapi import Depends
from starlette.responses import Response, StreamingResponse

from keyfob.accounts.errors import LastAdmin
from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided
from keyfob.core.http.kept import takes_gzip
from keyfob.core.locales import N_
from keyfob.core.problems import InsufficientAuthentication, Problem, Unavailable
from keyfob.limits.requests import limited
from keyfob.own_account.erasure import OwnErasure
from keyfob.own_account.export import OwnExport, Packed
from keyfob.web.parts.refusals import refusal
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

SignedIn = Annotated[User, require()]
RecentlySignedIn = Annotated[User, require(recent=True)]
ErasureService = Annotated[OwnErasure, Provided(OwnErasure)]
_READING = [Depends(limited("me", by="caller"))]
_LIMITED = [Depends(limited("me-factors", by="both"))]  # each sends a mail

_DONE: Mapping[str, str] = {
    "proven": N_("Thank you. Now you can download your data."),
    "kept": N_("Your account is kept."),
    "planned": N_("Your account is going to be erased. A mail tells you when."),
}


@dataclass(frozen=True, kw_only=True)
class DataPage:
    """The export, and the erasure: planned for `erase_at`, or possible, after so many days."""

    template: ClassVar[str] = "account/data.html"

    erase_at: datetime | None
    days: int
    errors: Mapping[str, str] = field(default_factory=dict)


@routes.get("/ui/account/data", dependencies=_READING)
async def show_data(visit: AVisit, caller: SignedIn, erasure: ErasureService) -> Response:
    """Show the page."""
    return await _show(visit, erasure)


@routes.get("/ui/account/export", dependencies=_READING)
async def prove_before_export(visit: AVisit, caller: RecentlySignedIn) -> Response:
    """Ask for a proof, then return to the page, for a download leaves the browser where it is."""
    return visit.go("/ui/account/data", done="proven")


@routes.post("/ui/account/export", dependencies=[Depends(limited("me-export", by="both"))])
async def export(
    visit: AVisit,
    caller: SignedIn,
    exports: Annotated[OwnExport, Provided(OwnExport)],
    erasure: ErasureService,
) -> Response:
    """Return everything that is stored about the caller, as a file."""
    try:
        packed = await exports.gather(caller, visit.source)
    except InsufficientAuthentication:
        return visit.go("/ui/account/export")
    except Unavailable as refused:
        return await _show(visit, erasure, refused.status, wrong=refused)
    return _file(visit, caller, packed)


@routes.post("/ui/account/erase", dependencies=_LIMITED)
async def erase(visit: AVisit, caller: RecentlySignedIn, erasure: ErasureService) -> Response:
    """Have the account erased, after the time in which it can be taken back."""
    try:
        await erasure.plan(caller, visit.source)
    except LastAdmin as refused:
        return await _show(visit, erasure, refused.status, wrong=refused)
    return visit.go("/ui/account/data", done="planned")


@routes.post("/ui/account/keep", dependencies=_LIMITED)
async def keep(visit: AVisit, caller: SignedIn, erasure: ErasureService) -> Response:
    """Keep the account after all."""
    await erasure.cancel(caller, visit.source)
    return visit.go("/ui/account/data", done="kept")


async def _show(
    visit: Visit, erasure: OwnErasure, status: int = 200, *, wrong: Problem | None = None
) -> Response:
    page = DataPage(
        erase_at=(await visit.profile()).erase_at,
        days=erasure.grace // timedelta(days=1),
        errors={"": refusal(wrong.code)} if wrong else {},
    )
    done = visit.done(_DONE)
    return await visit.show(page, status, toast=done)


def _file(visit: Visit, caller: User, packed: Packed) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="keyfob-{caller.user_id}.json"',
        "Cache-Control": "no-store",
        "Vary": "Accept-Encoding, Cookie",
    }
    if takes_gzip(visit.request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        return Response(packed.gzip, headers=headers, media_type="application/json")
    headers["Content-Length"] = str(packed.size)
    return StreamingResponse(packed.unpacked(), headers=headers, media_type="application/json")
