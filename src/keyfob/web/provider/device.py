"""The page where a user types the code that a device shows, and lets it have what it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar

from fastapi import Depends
from markupsafe import Markup
from starlette.responses import Response

from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.clients.resources import Resources
from keyfob.core.http import Provided
from keyfob.core.problems import FactorRequired
from keyfob.devices.places import Places
from keyfob.limits.requests import limited
from keyfob.oauth.device import (
    AskingDevice,
    Devices,
    UnknownDevice,
    read_user_code,
    shown_code,
)
from keyfob.web.parts.devices import known_device
from keyfob.web.parts.names import name
from keyfob.web.parts.refusals import refusal
from keyfob.web.provider.asked import AskedOfApi, asked_in_words
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

_DECIDED = frozenset({"allowed", "denied"})
TheDevices = Annotated[Devices, Provided(Devices)]


@dataclass(frozen=True, kw_only=True)
class CodePage:
    """Asks for the code that a device shows."""

    template: ClassVar[str] = "provider/device.html"

    code: str
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DevicePage:
    """Asks whether a device may have what it asks for; see `ConsentPage`."""

    template: ClassVar[str] = "provider/device_asks.html"

    code: str
    name: str
    came_at: datetime
    place: Markup | None
    address: Markup | None
    device: Markup | str
    about: list[str]
    apis: Sequence[AskedOfApi]


@dataclass(frozen=True, kw_only=True)
class DecidedPage:
    """Says that a device was allowed, or not; its user goes on there."""

    template: ClassVar[str] = "provider/device_decided.html"

    is_allowed: bool


@routes.get("/ui/device", dependencies=[Depends(limited("authorize", by="caller"))])
async def ask(
    visit: AVisit,
    caller: Annotated[User, require()],
    devices: TheDevices,
    resources: Annotated[Resources, Provided(Resources)],
    places: Annotated[Places, Provided(Places)],
) -> Response:
    """Ask for a code; about a device whose code this user has typed, ask for a decision."""
    asked = visit.request.query_params
    if (decided := asked.get("decided")) in _DECIDED:
        return await visit.show(DecidedPage(is_allowed=decided == "allowed"))
    code = asked.get("user_code", "")
    try:
        asking = await devices.find(code, caller)
    except UnknownDevice:
        return await visit.show(_code_page(code))
    return await visit.show(_device_page(visit, code, asking, resources, places))


@routes.post("/ui/device", dependencies=[Depends(limited("device", by="both"))])
async def decide(visit: AVisit, devices: TheDevices) -> Response:
    """Take the code that was typed, or do what the user has decided."""
    user, code = visit.user, visit.fields.line("user_code")
    if user is None:
        return visit.go("/ui/device", user_code=code[:20])
    if user.is_restricted:
        raise FactorRequired
    try:
        if visit.fields.get("decision") == "allow":
            await devices.allow(code, user, visit.source)
            return visit.go("/ui/device", decided="allowed")
        if visit.fields.get("decision"):
            await devices.deny(code, user)
            return visit.go("/ui/device", decided="denied")
        claimed = await devices.claim(code, user)
    except UnknownDevice as wrong:
        errors = {"user_code": refusal(wrong.code)}
        return await visit.show(_code_page(code, errors), wrong.status)
    return visit.go("/ui/device", user_code=shown_code(claimed))


def _code_page(typed: str, errors: Mapping[str, str] | None = None) -> CodePage:
    code = read_user_code(typed)
    return CodePage(code=shown_code(code) if code else "", errors=errors or {})


def _device_page(
    visit: Visit, code: str, asking: AskingDevice, resources: Resources, places: Places
) -> DevicePage:
    client, request = asking
    about, apis = asked_in_words(request.scope, request.audience, resources, visit.locale)
    address = str(request.ip_address) if request.ip_address else None
    place = places.find(address, visit.locale)
    return DevicePage(
        code=shown_code(read_user_code(code)),
        name=client.name,
        came_at=request.created_at,
        place=name(place) if place else None,
        address=name(address) if address else None,
        device=known_device(request.browser, request.os),
        about=about,
        apis=apis,
    )
