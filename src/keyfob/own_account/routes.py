"""One's own account: profile, password, address, export and erasure."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from keyfob.accounts.changes import ProfileChanges
from keyfob.accounts.errors import EmailTaken, LastAdmin
from keyfob.accounts.models import OwnUserOut
from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided, may_refuse, router, while_present
from keyfob.core.http.kept import takes_gzip
from keyfob.core.problems import InsufficientAuthentication, Overloaded, Unavailable
from keyfob.devices.requests import RequestSource
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.requests import limited
from keyfob.login.errors import InvalidCredentials
from keyfob.one_time_tokens.errors import InvalidLink
from keyfob.own_account.email import OwnEmail
from keyfob.own_account.erasure import OwnErasure
from keyfob.own_account.errors import NoPassword
from keyfob.own_account.export import OwnExport
from keyfob.own_account.models import (
    EmailChangeIn,
    EmailConfirmIn,
    ErasurePlannedOut,
    PasswordChangeIn,
    ProfileIn,
)
from keyfob.own_account.password import OwnPassword
from keyfob.own_account.profile import OwnProfile
from keyfob.passwords.errors import WeakPassword
from keyfob.sessions.models import TokensOut
from keyfob.sessions.service import SessionTokens

routes = router("Account")

_LIMITED = [Depends(limited("me", by="both"))]
_LIMITED_MORE = [Depends(limited("me-factors", by="both"))]  # each sends a mail, as with factors

SignedIn = Annotated[User, require()]
RecentlySignedIn = Annotated[User, require(recent=True)]
EmailService = Annotated[OwnEmail, Provided(OwnEmail)]
ErasureService = Annotated[OwnErasure, Provided(OwnErasure)]


@routes.patch("/me", dependencies=_LIMITED)
async def change_profile(
    body: ProfileIn,
    caller: SignedIn,
    source: RequestSource,
    profile: Annotated[OwnProfile, Provided(OwnProfile)],
) -> OwnUserOut:
    """Change your name, language or time zone; absent fields stay as they are."""
    changes = ProfileChanges(
        body.name, body.locale, body.timezone, frozenset(body.model_fields_set)
    )
    return await profile.change(caller, changes, source)


@routes.post(
    "/me/password",
    dependencies=[Depends(limited("me-password", by="both"))],
    responses=may_refuse(InvalidCredentials, NoPassword, WeakPassword, TooManyAttempts, Overloaded),
)
async def change_password(
    request: Request,
    body: PasswordChangeIn,
    caller: RecentlySignedIn,
    source: RequestSource,
    password: Annotated[OwnPassword, Provided(OwnPassword)],
    tokens: Annotated[SessionTokens, Provided(SessionTokens)],
) -> TokensOut:
    """Change your password: this session gets new tokens, all others are signed out.

    Wrong present passwords count as failed sign-ins. A recent sign-in is needed.
    """
    change = password.change(caller, body.current_password, body.password, source)
    return TokensOut.of(tokens.write(await while_present(request, change)))


@routes.post(
    "/me/email",
    status_code=202,
    response_class=Response,
    dependencies=[Depends(limited("me-email", by="both"))],
)
async def change_email(body: EmailChangeIn, caller: RecentlySignedIn, email: EmailService) -> None:
    """Send a link to a new address; the present address stays until the new one is confirmed.

    The answer is the same whether or not the address has an account. A recent sign-in is needed.
    """
    await email.request(caller, body.email)


@routes.post(
    "/me/email/confirm",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, InvalidLink, EmailTaken),
)
async def confirm_email(
    body: EmailConfirmIn, caller: SignedIn, source: RequestSource, email: EmailService
) -> None:
    """Confirm the new address with the token that was sent to it; the old address is notified."""
    await email.confirm(caller, body.token, source)


@routes.get(
    "/me/export",
    dependencies=[Depends(limited("me-export", by="both"))],
    responses={
        **may_refuse(InsufficientAuthentication, Unavailable),
        200: {
            "headers": {
                "Content-Disposition": {
                    "description": "A name to keep it under",
                    "schema": {"type": "string"},
                }
            },
            # `openapi` describes it; a worker has no other use for the models.
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ExportOut"}}},
        },
    },
)
async def export(
    request: Request,
    response: Response,
    caller: SignedIn,
    source: RequestSource,
    exports: Annotated[OwnExport, Provided(OwnExport)],
) -> Response:
    """Get everything that is stored about you, as one JSON document without secrets.

    If you have a second factor, this session must have presented it.
    """
    packed = await exports.gather(caller, source)
    headers = {
        **response.headers,  # those of the limit
        "Content-Disposition": f'attachment; filename="keyfob-{caller.user_id}.json"',
        "Vary": "Accept-Encoding",
    }
    if takes_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        return Response(packed.gzip, headers=headers, media_type="application/json")
    headers["Content-Length"] = str(packed.size)
    return StreamingResponse(packed.unpacked(), headers=headers, media_type="application/json")


@routes.delete("/me", status_code=202, dependencies=_LIMITED_MORE, responses=may_refuse(LastAdmin))
async def leave(
    caller: RecentlySignedIn, source: RequestSource, erasure: ErasureService
) -> ErasurePlannedOut:
    """Have your account erased, with all personal data, after a grace period.

    Until then everything continues, and you can still keep it. A recent sign-in is needed.
    """
    return ErasurePlannedOut(erase_at=await erasure.plan(caller, source))


@routes.post(
    "/me/keep",
    status_code=204,
    dependencies=_LIMITED_MORE,
    responses=may_refuse(InsufficientAuthentication),
)
async def keep(caller: SignedIn, source: RequestSource, erasure: ErasureService) -> None:
    """Keep your account after all. If you have a factor, the session must have presented it."""
    await erasure.cancel(caller, source)
