"""The account's page of activity: sessions, and one timeline of sign-ins and changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, ClassVar, NamedTuple
from uuid import UUID

from fastapi import Depends, Path
from markupsafe import Markup
from starlette.responses import Response

from keyfob.api_keys.service import ApiKeys
from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided
from keyfob.core.locales import N_
from keyfob.core.problems import Problem
from keyfob.limits.requests import limited
from keyfob.mfa.models import Factor
from keyfob.mfa.service import Factors
from keyfob.oauth.app_access import AppAccess
from keyfob.sessions.errors import SessionNotFound
from keyfob.sessions.models import LiveSession, SessionKind
from keyfob.sessions.own import OwnSessions
from keyfob.sessions.service import Sessions
from keyfob.web.account.timeline import Line, OwnTimeline
from keyfob.web.parts.devices import PICTURES, known_device
from keyfob.web.parts.refusals import refusal
from keyfob.web.shares import Share, share_of
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

SignedIn = Annotated[User, require()]
_READING = [Depends(limited("me", by="caller"))]

_BEYOND = 9000  # years, so that a little more is a time, too

_DONE: Mapping[str, str] = {
    "ended": N_("That session has ended."),
    "others": N_("All other sessions have ended."),
    "password": N_("Your password is changed. All other sessions have ended."),
}


class ShownSession(NamedTuple):
    """A session as its owner sees it: device, place and address are what its client said."""

    session: LiveSession
    is_this: bool
    picture: str
    device: Markup | str
    place: str | None

    @property
    def is_app(self) -> bool:
        """Tell whether a program holds it, and no browser."""
        return self.session.kind is SessionKind.API


@dataclass(frozen=True, kw_only=True)
class ActivityPage:
    """The sessions, this one first, and the timeline by day, newest first.

    `older` is the link to what was before; `is_first` tells that nothing is newer.
    """

    template: ClassVar[str] = "account/activity.html"

    sessions: Share[ShownSession]
    days: list[tuple[date, list[Line]]]
    older: str | None
    is_first: bool
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NotMePage:
    """Leads through what to do when somebody else was in the account.

    `line` is what the user has pointed at, None if it was nothing in particular; `query` names it
    in links. `is_changed` tells that the password is another since then. `others` counts sessions,
    `apps` those that are signed in as the user.
    """

    template: ClassVar[str] = "account/not_me.html"

    line: Line | None
    query: Mapping[str, str]
    is_changed: bool
    others: int
    apps: int
    factors: list[Factor]
    keys: int


@dataclass(frozen=True, kw_only=True)
class OwnActivity:
    """Reads the page of a user."""

    sessions: Sessions
    timeline: OwnTimeline
    factors: Factors
    keys: ApiKeys
    apps: AppAccess

    async def show(
        self, visit: Visit, caller: User, status: int = 200, *, wrong: Problem | None = None
    ) -> Response:
        """Return the page; `wrong` is why something was refused."""
        until = _read_time(visit.request.query_params.get("before", ""))
        days, older = await self.timeline.read(caller, until)
        page = ActivityPage(
            sessions=share_of(
                visit,
                await self._sessions(caller) if until is None else [],
                "sessions",
                "/ui/account/activity",
            ),
            days=days,
            older=visit.link("/ui/account/activity", before=older.isoformat()) if older else None,
            is_first=until is None,
            errors={"": refusal(wrong.code)} if wrong else {},
        )
        return await visit.show(page, status, toast=visit.done(_DONE))

    async def not_me(self, visit: Visit, caller: User) -> Response:
        """Return the page that leads through what to do."""
        live = await self.sessions.list_live(caller.user_id)
        query = _event_in(visit)
        line = changed = None
        if query:
            since, at = map(datetime.fromisoformat, (query["since"], query["at"]))
            line = await self.timeline.find(caller, since, at)
            changed = line and await self.timeline.has_changed_password(caller, at)
        page = NotMePage(
            line=line,
            query=query if line else {},
            is_changed=bool(changed),
            others=sum(one.id != caller.session_id for one in live),
            apps=sum(app.grants > 0 for app in await self.apps.list_of(caller.user_id)),
            factors=await self.factors.list(self.factors.db, caller.user_id),
            keys=len(await self.keys.list_live(caller.user_id)),
        )
        return await visit.show(page, toast=visit.done(_DONE))

    async def _sessions(self, caller: User) -> list[ShownSession]:
        live = await self.sessions.list_live(caller.user_id)
        live.sort(key=lambda one: one.id != caller.session_id)
        return [self._shown(one, is_this=one.id == caller.session_id) for one in live]

    def _shown(self, session: LiveSession, *, is_this: bool) -> ShownSession:
        device = known_device(session.browser, session.os)
        picture = PICTURES[session.device_type]
        return ShownSession(
            session, is_this, picture, device, self.timeline.place_of(session.ip_address)
        )


TheActivity = Annotated[OwnActivity, Provided(OwnActivity)]
Own = Annotated[OwnSessions, Provided(OwnSessions)]


@routes.get("/ui/account/activity", dependencies=_READING)
async def show_activity(visit: AVisit, caller: SignedIn, activity: TheActivity) -> Response:
    """Show the page."""
    return await activity.show(visit, caller)


@routes.get("/ui/account/activity/not-me", dependencies=_READING)
async def show_what_to_do(visit: AVisit, caller: SignedIn, activity: TheActivity) -> Response:
    """Show what to do when it was somebody else."""
    return await activity.not_me(visit, caller)


@routes.post("/ui/account/sessions/{id}/end", dependencies=_READING)
async def end_session(
    session_id: Annotated[UUID, Path(alias="id")],
    visit: AVisit,
    caller: SignedIn,
    own: Own,
    activity: TheActivity,
) -> Response:
    """End one of the caller's sessions."""
    try:
        await own.end(caller, session_id, visit.source)
    except SessionNotFound as gone:
        return await activity.show(visit, caller, gone.status, wrong=gone)
    return visit.go("/ui/account/activity", done="ended")


@routes.post(
    "/ui/account/sessions/end-others", dependencies=[Depends(limited("logout", by="caller"))]
)
async def end_others(visit: AVisit, caller: SignedIn, own: Own) -> Response:
    """End all of the caller's sessions but this one."""
    await own.end_others(caller, visit.source)
    await visit.replace_cookie()
    leads_on = visit.fields.get("next") == "not-me"
    if leads_on:
        return visit.go("/ui/account/activity/not-me", **_event_in(visit), done="others")
    return visit.go("/ui/account/activity", done="others")


def _event_in(visit: Visit) -> dict[str, str]:
    """Return the times of the event that a link or form of ours names; nothing if it names none."""
    found = {}
    for name in ("at", "since"):
        told = visit.fields.line(name) or visit.request.query_params.get(name, "")
        time = _read_time(told)
        if time is None or time.year >= _BEYOND:
            return {}
        found[name] = time.isoformat()
    return found


def _read_time(text: str) -> datetime | None:
    """Read the time from a link of ours; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
