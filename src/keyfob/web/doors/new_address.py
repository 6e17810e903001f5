"""The page of the link that changes an account's address, for whoever is signed in or signs in."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Depends
from pydantic import SecretStr, TypeAdapter
from starlette.responses import Response

from keyfob.accounts.email import Email
from keyfob.accounts.errors import EmailTaken
from keyfob.accounts.models import PasswordIn
from keyfob.core.http import Provided, while_present
from keyfob.core.problems import InsufficientAuthentication, Overloaded, Problem
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.requests import limited
from keyfob.login.errors import (
    AccountBlocked,
    InvalidCredentials,
    MfaRequired,
    PasswordChangeRequired,
)
from keyfob.login.second_factor import PresentedFactor, SecondFactor
from keyfob.login.service import Login
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.models import TotpCode
from keyfob.one_time_tokens.errors import InvalidLink
from keyfob.one_time_tokens.models import Kind
from keyfob.own_account.email import OwnEmail
from keyfob.sessions.browser import BrowserSessions
from keyfob.sessions.models import OpenedSession
from keyfob.web.doors.arrival import Arrival
from keyfob.web.doors.links import DonePage, LinkPage, TheLinks, no_link, token_in
from keyfob.web.parts.refusals import refusal
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

_password: TypeAdapter[SecretStr] = TypeAdapter(PasswordIn)
_code: TypeAdapter[str] = TypeAdapter(TotpCode)
_LIMITED = [Depends(limited("login", by="address"))]


@dataclass(frozen=True, kw_only=True)
class NewAddressPage:
    """Confirms a new address: by one button for its user, else after a sign-in, then a code.

    `email` is what was typed: a mistyped new address belongs to somebody who should not learn the
    present one. `pending` is the token of a sign-in whose second step is asked for.
    """

    template: ClassVar[str] = "new_address.html"

    token: str
    is_owner: bool = False
    email: str = ""
    pending: str = ""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class AddressChange:
    """Changes an address for somebody who signs in for that."""

    own: OwnEmail
    browsers: BrowserSessions
    login: Login
    second_factor: SecondFactor
    arrival: Arrival

    async def confirm(self, opened: OpenedSession, token: str, visit: Visit) -> None:
        """Change the address, in a session that ends with it.

        Raises:
            InvalidLink, EmailTaken, InsufficientAuthentication: see `OwnEmail.confirm`.
        """
        user = self.browsers.begin(opened).user
        try:
            await self.own.confirm(user, token, visit.source)
        finally:
            await self.arrival.end(opened, visit.source)


Change = Annotated[AddressChange, Provided(AddressChange)]


@routes.get("/ui/email")
async def open_page(visit: AVisit) -> Response:
    """Show the page that takes the link."""
    return await visit.show(LinkPage(what="email", return_to=""))


@routes.post("/ui/email/open", dependencies=_LIMITED)
async def open_link(visit: AVisit, links: TheLinks) -> Response:
    """Show the button, or the form for signing in, to whoever has a valid link."""
    token = token_in(visit.fields.get("token"))
    try:
        email = await links.address_of(token, Kind.CHANGE_EMAIL)
    except InvalidLink:
        return await no_link(visit)
    is_owner = visit.user is not None and (await visit.profile()).email == email.typed
    return await visit.show(NewAddressPage(token=token, is_owner=is_owner))


@routes.post("/ui/email/confirm", dependencies=_LIMITED)
async def confirm(visit: AVisit, links: TheLinks, change: Change) -> Response:
    """Change the address."""
    token = token_in(visit.fields.get("token"))
    try:
        await links.address_of(token, Kind.CHANGE_EMAIL)
        await _change(visit, change, token)
    except InvalidLink:
        return await no_link(visit)
    except MfaRequired as asked:
        pending = str(asked.extra["mfa_token"])
        email = visit.fields.line("email")
        return await visit.show(NewAddressPage(token=token, email=email, pending=pending))
    except ValueError:  # of what was typed
        return await _again(visit, token, InvalidCredentials())
    except _REFUSALS as refused:
        return await _again(visit, token, refused)
    return await visit.show(DonePage(what="email"))


async def _change(visit: Visit, change: AddressChange, token: str) -> None:
    if visit.user is not None and "password" not in visit.fields:
        await change.own.confirm(visit.user, token, visit.source)
    else:
        await change.confirm(await _signed_in(visit, change), token, visit)


_REFUSALS = (
    InvalidCredentials,
    InvalidFactor,
    AccountBlocked,
    PasswordChangeRequired,
    TooManyAttempts,
    Overloaded,
    EmailTaken,
    InsufficientAuthentication,
)


async def _signed_in(visit: Visit, change: AddressChange) -> OpenedSession:
    """Sign in with the fields of the form: the password, or the code of a sign-in that waits."""
    fields = visit.fields
    if pending := fields.get("pending"):
        code = _code.validate_python(fields.line("code"))
        return await change.second_factor.present(pending, PresentedFactor(code), visit.source)
    email = Email.parse(fields.line("email"))
    password = _password.validate_python(fields.get("password"))
    return await while_present(
        visit.request, change.login.with_password(email, password, visit.source)
    )


async def _again(visit: Visit, token: str, refused: Problem) -> Response:
    page = NewAddressPage(
        token=token,
        email=visit.fields.line("email"),
        pending=visit.fields.get("pending") if isinstance(refused, InvalidFactor) else "",
        error=refusal(refused.code),
    )
    return await visit.show(page, refused.status)
