"""Recovery of a forgotten password."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from keyfob.accounts.email import EmailIn
from keyfob.accounts.models import PasswordIn
from keyfob.core.bodies import Body
from keyfob.core.http import Provided, may_refuse, router, while_present
from keyfob.core.problems import Overloaded
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited
from keyfob.one_time_tokens.errors import InvalidLink
from keyfob.one_time_tokens.models import LinkTokenIn
from keyfob.passwords.errors import WeakPassword
from keyfob.recovery.service import Recovery

routes = router("Account")

_LIMITED = [Depends(limited("recover", by="address"))]
RecoveryService = Annotated[Recovery, Provided(Recovery)]


class RecoverRequestIn(Body):
    """The address of the account."""

    email: EmailIn


class RecoverConfirmIn(Body):
    """The token of the link, and the new password."""

    token: LinkTokenIn
    password: PasswordIn


@routes.post("/recover/request", status_code=202, response_class=Response, dependencies=_LIMITED)
async def request_recovery(
    body: RecoverRequestIn, source: RequestSource, recovery: RecoveryService
) -> None:
    """Send a link for choosing a new password. The answer is the same for any address."""
    await recovery.request_link(body.email, source)


@routes.post(
    "/recover/confirm",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(InvalidLink, WeakPassword, Overloaded),
)
async def set_recovered_password(
    request: Request, body: RecoverConfirmIn, source: RequestSource, recovery: RecoveryService
) -> None:
    """Set a new password with the token of a link, and sign out everywhere.

    The token of an invitation is accepted, too, and that of a sign-in that requires another
    password.
    """
    await while_present(request, recovery.set_password(body.token, body.password, source))
