"""The device authorization endpoint (RFC 8628 section 3.1)."""

from typing import Annotated

from pydantic import BaseModel, Field
from pydantic_core import to_json

from keyfob.core.bodies import drop_null
from keyfob.core.http import may_refuse, router
from keyfob.core.http.hot import HotCall, hot_route
from keyfob.core.problems import TooManyRequests, Unavailable
from keyfob.core.qr import draw_qr
from keyfob.devices.source import Source
from keyfob.oauth.device import INTERVAL, LIVES, Devices, shown_code
from keyfob.oauth.errors import InvalidClient, InvalidScope, InvalidTarget, UnauthorizedClient
from keyfob.oauth.routes import ClientForm, client_of, request_of

routes = router("OAuth", prefix="/oauth2")

_Text = Annotated[str | None, Field(default=None, json_schema_extra=drop_null)]
_LONGEST_USER_AGENT = 512


class DeviceForm(ClientForm):
    """The parameters of a device that asks for a user."""

    scope: _Text
    resource: Annotated[list[str] | None, Field(default=None, json_schema_extra=drop_null)]
    nonce: _Text


class DeviceCodesOut(BaseModel):
    """The codes of a device (RFC 8628 section 3.2)."""

    device_code: Annotated[str, Field(description="For the token endpoint; keep it secret")]
    user_code: Annotated[str, Field(description="For people, who type it at `verification_uri`")]
    verification_uri: str
    verification_uri_complete: Annotated[str, Field(description="The page, with the code")]
    expires_in: int
    interval: Annotated[int, Field(description="Seconds between two requests for tokens")]
    qr_svg: Annotated[str, Field(description="`verification_uri_complete` as a QR code, an SVG")]


@hot_route(
    routes,
    "POST",
    "/device",
    response_model=DeviceCodesOut,
    form=DeviceForm,
    responses=may_refuse(
        InvalidClient,
        TooManyRequests,
        Unavailable,
        UnauthorizedClient,
        InvalidScope,
        InvalidTarget,
    ),
    dependencies=[client_of],
)
async def ask_on_device(call: HotCall) -> bytes:
    """Give codes to an app on a device without a browser: its user types one elsewhere.

    The app shows `user_code` and `verification_uri`, or the QR code, and asks the token endpoint
    every `interval` seconds until its user has decided.
    """
    devices = call.service(Devices)
    agent = (call.header(b"user-agent") or "")[:_LONGEST_USER_AGENT]
    source = Source(address=call.ip_address, user_agent=agent)
    codes = await devices.begin(await request_of(call), source)
    shown = shown_code(codes.user_code)
    complete = f"{devices.page}?user_code={shown}"
    answer = DeviceCodesOut(
        device_code=codes.device_code,
        user_code=shown,
        verification_uri=devices.page,
        verification_uri_complete=complete,
        expires_in=int(LIVES.total_seconds()),
        interval=INTERVAL,
        qr_svg=await draw_qr(complete),
    )
    return to_json(answer)
