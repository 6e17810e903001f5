"""Liveness, readiness, and the root path."""

from contextlib import suppress
from typing import Annotated, Literal

from fastapi import Response
from pydantic import BaseModel
from starlette.requests import Request

from keyfob import __version__
from keyfob.authority.models import Role, User
from keyfob.authority.requiring import authenticated
from keyfob.core.addresses import parse_address
from keyfob.core.http import Provided, router
from keyfob.core.http.forwarded import was_forwarded
from keyfob.core.problems import Unauthenticated
from keyfob.health.service import Health

routes = router("Service")


class Welcome(BaseModel):
    """Links to other resources, relative to this address."""

    name: str
    version: str
    docs: str | None
    openapi: str | None
    jwks: str


class Liveness(BaseModel):
    """The process is alive."""

    status: Literal["live"] = "live"


class ReadinessOut(BaseModel):
    """The readiness to serve requests; `checks` only for administrators and from loopback."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, bool] | None = None


@routes.get("/")
async def welcome(request: Request) -> Welcome:
    """Return what this service is, with links."""
    settings = request.app.state.settings
    root = settings.root_path
    return Welcome(
        name="Keyfob",
        version=__version__,
        docs=f"{root}/docs" if settings.docs else None,
        openapi=f"{root}/openapi.json" if settings.openapi else None,
        jwks=f"{root}/.well-known/jwks.json",
    )


@routes.get("/health/live")
async def live() -> Liveness:
    """Return 200 while the process can answer. If this fails, restart it."""
    return Liveness()


@routes.get(
    "/health/ready",
    responses={503: {"model": ReadinessOut, "description": "Not ready; send requests elsewhere"}},
)
async def ready(
    request: Request, response: Response, health: Annotated[Health, Provided(Health)]
) -> ReadinessOut:
    """Return 200 if requests can be served, else 503. If this fails, send requests elsewhere."""
    staying = not request.scope.get("state", {}).get("leaving", False)  # set by the server
    checks = {**await health.check(), "staying": staying}
    is_ready = all(checks.values())
    if not is_ready:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return ReadinessOut(
        status="ready" if is_ready else "not_ready",
        checks=checks if await _may_know(request) else None,
    )


async def _may_know(request: Request) -> bool:
    # The peer itself, not what a proxy says about it: a proxy on this machine relays strangers.
    peer = parse_address(request.client.host) if request.client else None
    if peer is not None and peer.is_loopback and not was_forwarded(request.scope["headers"]):
        return True
    with suppress(Unauthenticated):
        subject = await authenticated(request)
        return isinstance(subject, User) and subject.role is Role.ADMIN
    return False
