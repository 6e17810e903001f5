"""Routes of pages.

`PageRoute` begins a visit before anything of the route runs, and ends it: whatever is refused
becomes a page, and cookies that have changed are sent with every response.
"""

from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from keyfob.authority.models import User
from keyfob.core.problems import (
    FactorRequired,
    InsufficientAuthentication,
    NotFound,
    Overloaded,
    Problem,
    Unauthenticated,
)
from keyfob.devices.requests import source_of
from keyfob.limits.errors import TooManyAttempts
from keyfob.login.errors import InvalidCredentials
from keyfob.mfa.errors import InvalidFactor
from keyfob.web.forms import read_fields
from keyfob.web.refusing import OtherUserPage, RefusedPage, UnsafePage
from keyfob.web.same_origin import ensure_same_origin, ensure_shown
from keyfob.web.step_up import StepUpForm, StepUpPage, without_proof
from keyfob.web.visit import Visit

__all__ = ["AVisit", "PageRoute", "Visit", "last_routes", "pages"]

# The most fields of a form, which a refusal writes back so that it can be sent again.
_OF_USERS, _OF_STRANGERS = 2000, 30

# Where apps send their users, also by a form: it changes nothing, and stores what is asked.
_FROM_ANYWHERE = frozenset({"/oauth2/authorize", "/oauth2/logout"})

log = structlog.get_logger("keyfob.http")


class PageRoute(APIRoute):
    """A route of pages for browsers."""

    @cached_property
    def _beginning(self) -> str:
        return self.path.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a request is for this route; cheaply if not, as there are a hundred."""
        return super().matches(scope) if self._beginning in scope["path"] else (Match.NONE, {})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def visit_page(request: Request) -> Response:
            visit = Visit(request, source_of(request, is_page=True))
            request.state.visit = visit
            with visit.speaking():
                try:
                    response = await _handled(visit, handle)
                except (Problem, RequestValidationError, HTTPException) as refusal:
                    response = await _refuse(visit, refusal)
                except Exception:
                    log.exception("unexpected_error", path=request.scope["path"])
                    response = await _refuse(visit, Problem())
            return visit.answer(response)

        return visit_page


async def _handled(
    visit: Visit, handle: Callable[[Request], Coroutine[Any, Any, Response]]
) -> Response:
    request = visit.request
    ensure_shown(request)
    if visit.path not in _FROM_ANYWHERE:
        ensure_same_origin(request, visit.public_base)
    if visit.engine.signs_in and not visit.jar.is_safe:
        # Threat: anybody on the way reads passwords, links and cookies.
        return await visit.show(UnsafePage(), 403)
    if visit.engine.signs_in:
        await visit.find_session()
    await visit.move_to_own_zone()
    # Threat: in a form of another site, a wrong proof would use up the tries of the reader.
    if request.method == "POST" and visit.path not in _FROM_ANYWHERE:
        content_type = request.headers.get("content-type", "")
        most = _OF_USERS if visit.user else _OF_STRANGERS
        visit.fields = read_fields(await request.body(), content_type, at_most=most)
        if visit.user is not None:
            # Threat: another user has signed in in this browser since, and does it unawares.
            if set(visit.fields.list_all("user_id")) - {str(visit.user.user_id)}:
                onward = visit.return_to or visit.link("/ui/account")
                return await visit.show(OtherUserPage(onward=onward), 409)
            visit.fields = visit.fields.without("user_id")  # the next page writes it again
            try:
                await _step_up(visit, visit.user)
            except (InvalidCredentials, InvalidFactor, TooManyAttempts, Overloaded) as refusal:
                return await _ask_to_step_up(visit, visit.user, refusal)
    return await handle(request)


async def _step_up(visit: Visit, user: User) -> None:
    form: StepUpForm = visit.request.app.state.services[StepUpForm]
    renewed = await form.prove(user, visit.fields, visit.source)
    if renewed is not None:
        visit.begin_session(renewed)


async def _ask_to_step_up(visit: Visit, user: User, wrong: Problem | None = None) -> Response:
    """Return the form that asks for a proof, and contains what was asked for."""
    form: StepUpForm = visit.request.app.state.services[StepUpForm]
    is_post = visit.request.method == "POST"
    kept = without_proof(visit.fields, at_most=_OF_USERS)
    page = StepUpPage(
        action=visit.link(visit.path if is_post else "/ui/step-up"),
        fields=kept if is_post else [("return_to", visit.here)],
        ways=await form.ways(user),
        error=wrong.code if wrong else None,
    )
    return await visit.show(page, wrong.status if wrong else 401, keeps_form=is_post)


async def _refuse(
    visit: Visit, refusal: Problem | RequestValidationError | HTTPException
) -> Response:
    problem = refusal if isinstance(refusal, Problem) else NotFound()
    visit.request.scope["problem"] = problem
    is_get = visit.request.method == "GET"
    if isinstance(problem, Unauthenticated) and is_get:
        why = "ended" if visit.had_cookie else ""
        return visit.go("/ui/sign-in", return_to=visit.here, why=why)
    if isinstance(problem, InsufficientAuthentication) and visit.user:
        return await _ask_to_step_up(visit, visit.user)
    if isinstance(problem, FactorRequired):
        return visit.go("/ui/account/security", why="factor_required")
    most = _OF_USERS if visit.user else _OF_STRANGERS
    again = [] if is_get else without_proof(visit.fields, at_most=most)
    page = RefusedPage.of(problem, visit.link(visit.path), again)
    response = await visit.show(page, problem.status, keeps_form=bool(again))
    if "Retry-After" in problem.headers:
        response.headers["Retry-After"] = problem.headers["Retry-After"]
    return response


async def _visit(request: Request) -> Visit:
    visit: Visit = request.state.visit
    return visit


AVisit = Annotated[Visit, Depends(_visit)]


def pages() -> APIRouter:
    """Return a router of pages."""
    return APIRouter(
        route_class=PageRoute,
        include_in_schema=False,
        generate_unique_id_function=lambda route: route.name,
    )


last_routes = pages()


@last_routes.get("/ui")
async def entrance(visit: AVisit) -> Response:
    """Go to the account, or to sign in."""
    return visit.go("/ui/account")


@last_routes.get("/ui/{rest:path}")
@last_routes.get("/console/{rest:path}")
async def nowhere() -> Response:
    """Refuse a path that is no page, as a page."""
    raise NotFound
