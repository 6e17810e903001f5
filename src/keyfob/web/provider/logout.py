"""The logout endpoint: an app sends its user here, who is signed out and goes back."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Depends
from starlette.responses import Response

from keyfob.core.forms import FORM, parse_form
from keyfob.core.http import Provided, client_address
from keyfob.limits.rates import RateLimits
from keyfob.limits.requests import limited
from keyfob.oauth.logout import Logout, LogoutAsked
from keyfob.sessions.own import OwnSessions
from keyfob.web.provider.authorize import GoingOnPage, speak
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

TheLogout = Annotated[Logout, Provided(Logout)]
TheSessions = Annotated[OwnSessions, Provided(OwnSessions)]

_WRONG = 400


@dataclass(frozen=True, kw_only=True)
class LogoutPage:
    """Asks a user whether to sign out, as an app wants; `name` is empty if it is not known."""

    template: ClassVar[str] = "provider/logout.html"

    request: str
    name: str
    is_wrong: bool


@dataclass(frozen=True, kw_only=True)
class SignedOutPage:
    """Says that nobody is signed in; `onward` leads back to the app, if it may."""

    template: ClassVar[str] = "provider/signed_out.html"

    name: str
    onward: str | None
    is_wrong: bool


@routes.get("/oauth2/logout", dependencies=[Depends(limited("logout", by="caller"))])
async def log_out(
    visit: AVisit,
    logout: TheLogout,
    own_sessions: TheSessions,
    rates: Annotated[RateLimits, Provided(RateLimits)],
) -> Response:
    """Sign the user out, if the app may do so unasked; otherwise ask."""
    form = parse_form(visit.request.scope["query_string"], FORM)
    speak(visit, form)
    asked = await logout.read(form)
    answer = await _without_asking(visit, asked, own_sessions)
    if answer is None:
        # Threat: an address with many accounts fills the database. A sign-out itself never waits
        # for others there.
        await rates.hit("logout", client_address(visit.request))
        answer = visit.go("/ui/logout", request=await logout.store(asked))
    return answer


@routes.post("/oauth2/logout", dependencies=[Depends(limited("logout", by="address"))])
async def log_out_by_form(visit: AVisit, logout: TheLogout) -> Response:
    """Store the request: a form of another site brings no cookie, and a GET of ours does."""
    request = visit.request
    form = parse_form(
        await request.body(), request.headers.get("content-type", ""), request.scope["query_string"]
    )
    speak(visit, form)
    return visit.go("/ui/logout", request=await logout.store(await logout.read(form)))


@routes.get("/ui/logout", dependencies=[Depends(limited("logout", by="caller"))])
async def ask(visit: AVisit, logout: TheLogout, own_sessions: TheSessions) -> Response:
    """Sign the user of a stored request out, if the app may do so unasked; otherwise ask."""
    handle = visit.request.query_params.get("request", "")
    asked = await logout.find(handle)
    answer = await _without_asking(visit, asked, own_sessions)
    if answer is not None:
        await logout.drop(handle)
        return answer
    page = LogoutPage(request=handle, name=asked.name, is_wrong=asked.is_wrong)
    return await visit.show(page, _WRONG if asked.is_wrong else 200)


@routes.post("/ui/logout", dependencies=[Depends(limited("logout", by="caller"))])
async def decide(visit: AVisit, logout: TheLogout, own_sessions: TheSessions) -> Response:
    """Sign the user out, who has agreed to it."""
    handle = visit.fields.get("request")
    asked = await logout.find(handle)
    await logout.drop(handle)
    await _end(visit, own_sessions)
    if asked.onward is None:
        return visit.go("/ui/logout")
    # Not by a redirect: browsers follow none to another site after a form (`form-action`).
    return await visit.show(GoingOnPage(url=asked.onward, name=asked.name))


async def _without_asking(
    visit: Visit, asked: LogoutAsked, own_sessions: OwnSessions
) -> Response | None:
    """Answer a request about which nobody has to be asked; None if its user has to be.

    Threat: any site can send its visitors here, with the id of an app that is known to all. So only
    who has shown an ID token signs anybody out, or has the browser led on, without a question.
    """
    if visit.user is not None:
        if not asked.names(visit.user):
            return None
        await _end(visit, own_sessions)
    if asked.is_proven and asked.onward is not None:
        return visit.go_to(asked.onward)
    page = SignedOutPage(name=asked.name, onward=asked.onward, is_wrong=asked.is_wrong)
    return await visit.show(page, _WRONG if asked.is_wrong else 200)


async def _end(visit: Visit, own_sessions: OwnSessions) -> None:
    if visit.user is not None:
        await own_sessions.leave(visit.user, visit.source)
    visit.end_session()
