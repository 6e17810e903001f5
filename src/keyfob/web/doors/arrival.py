"""The end of every way in through a page: a cookie, and on to where the reader wanted to go."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Depends
from starlette.responses import Response

from keyfob.accounts.profiles import Profiles
from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.locales import known_locale
from keyfob.devices.source import Source
from keyfob.limits.requests import limited
from keyfob.sessions.browser import BrowserSessions
from keyfob.sessions.models import OpenedSession
from keyfob.sessions.own import OwnSessions
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()


@dataclass(frozen=True)
class NoCookiePage:
    """The browser has not kept the cookie of a session."""

    template: ClassVar[str] = "no_cookie.html"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Lets a browser in, after any sign-in."""

    browsers: BrowserSessions
    own_sessions: OwnSessions
    profiles: Profiles

    async def let_in(self, visit: Visit, opened: OpenedSession) -> Response:
        """Give the browser the new session's cookie, and send it on.

        The session that it had ends: nobody could use it any more.
        """
        await self._end(visit.user, visit.source)
        visit.begin_session(opened)
        visit.arrive()
        if visit.user is not None:
            profile = await self.profiles.read(visit.user)
            visit.choose_language(known_locale(profile.locale or visit.locale))
        return visit.go("/ui/signed-in", return_to=visit.return_to)

    async def end(self, opened: OpenedSession, source: Source) -> None:
        """End a session that was opened for one thing alone."""
        await self._end(self.browsers.begin(opened).user, source)

    async def _end(self, user: User | None, source: Source) -> None:
        if user is not None:
            await self.own_sessions.leave(user, source)


@routes.get("/ui/signed-in")
async def signed_in(visit: AVisit) -> Response:
    """Go on to the place that the reader asked for, if the browser has kept the cookie."""
    if visit.user is None:
        return await visit.show(NoCookiePage(), 400)
    return visit.go_to(visit.return_to or visit.link("/ui/account"))


@routes.get("/ui/step-up", dependencies=[Depends(limited("me", by="caller"))])
async def is_recent(visit: AVisit, caller: Annotated[User, require(recent=True)]) -> Response:
    """Tell a script that nothing is asked for; else it is answered by the question for a proof."""
    return visit.json({"recent": True})


@routes.post("/ui/step-up", dependencies=[Depends(limited("me", by="caller"))])
async def stepped_up(visit: AVisit) -> Response:
    """Go on to the page that needed a recent sign-in; the proof is read before this is called."""
    return visit.go_to(visit.return_to or visit.link("/ui/account"))
