"""The page of the link that verifies an address: who has opened it decides what it ends."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Depends
from pydantic import SecretStr, TypeAdapter, ValidationError
from starlette.responses import Response

from keyfob.accounts.email import Email
from keyfob.accounts.models import PasswordIn
from keyfob.core.http import Provided, while_present
from keyfob.core.locales import _
from keyfob.core.problems import Overloaded, Problem, Unauthenticated
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.requests import limited
from keyfob.login.errors import (
    AccountBlocked,
    InvalidCredentials,
    MfaRequired,
    PasswordChangeRequired,
)
from keyfob.one_time_tokens.errors import InvalidLink
from keyfob.one_time_tokens.models import Kind
from keyfob.registration.sign_in import VerifyingSignIn
from keyfob.registration.verification import EmailVerification, VerificationLinks
from keyfob.sessions.models import OpenedSession
from keyfob.web.doors.links import (
    Choice,
    DonePage,
    TheChoice,
    TheLinks,
    choose,
    link_page,
    no_link,
    sent,
    token_in,
)
from keyfob.web.doors.sign_in import next_step
from keyfob.web.parts.refusals import refusal
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

Verification = Annotated[EmailVerification, Provided(EmailVerification)]
_password: TypeAdapter[SecretStr] = TypeAdapter(PasswordIn)
_VERIFYING = [Depends(limited("verify-email", by="address"))]


@dataclass(frozen=True, kw_only=True)
class VerifyPage:
    """Asks who has opened the link: who is signed in, or knows the password."""

    template: ClassVar[str] = "verify_address.html"

    token: str
    email: str
    return_to: str
    error: str | None = None


@routes.post("/ui/verify", dependencies=_VERIFYING)
async def request_verification(
    visit: AVisit, links: Annotated[VerificationLinks, Provided(VerificationLinks)]
) -> Response:
    """Send a link for verifying an address. The answer is the same for any address."""
    try:
        email = Email.parse(visit.fields.line("email"))
    except ValueError:
        return await visit.show(link_page(visit, error=_("This is no e-mail address.")), 422)
    await links.request(email, visit.source)
    return sent(visit, email)


@routes.post("/ui/verify/open", dependencies=_VERIFYING)
async def open_verification(visit: AVisit, links: TheLinks) -> Response:
    """Show the form that confirms an address, to whoever has a valid link."""
    token = token_in(visit.fields.get("token"))
    try:
        email = await links.address_of(token, Kind.VERIFY_EMAIL)
    except InvalidLink:
        return await no_link(visit)
    page = VerifyPage(token=token, email=email.typed, return_to=visit.return_to)
    return await visit.show(page)


@routes.post("/ui/verify/mine", dependencies=_VERIFYING)
async def confirm_own(visit: AVisit, verification: Verification) -> Response:
    """Verify the address of whoever is signed in."""
    if visit.user is None:
        raise Unauthenticated
    try:
        token = token_in(visit.fields.get("token"))
        await verification.confirm_own(visit.user, token, visit.source)
    except InvalidLink:
        return await no_link(visit)
    if visit.return_to:
        return visit.go_to(visit.return_to)
    return await visit.show(DonePage(what="verified"))


@routes.post("/ui/verify/confirm", dependencies=_VERIFYING)
async def confirm(
    visit: AVisit,
    links: TheLinks,
    sign_in: Annotated[VerifyingSignIn, Provided(VerifyingSignIn)],
    choice: TheChoice,
) -> Response:
    """Verify an address for somebody who knows a password of its account, and sign in."""
    token = token_in(visit.fields.get("token"))
    try:
        email = await links.address_of(token, Kind.VERIFY_EMAIL)
    except InvalidLink:
        return await no_link(visit)
    try:
        password = _password.validate_python(visit.fields.get("password"))
        attempt = sign_in.confirm(token, password, visit.source)
        opened = await while_present(visit.request, attempt)
    except InvalidLink:
        return await no_link(visit)
    except (MfaRequired, PasswordChangeRequired) as asked:  # it is verified
        done = DonePage(what="verified")
        return next_step(visit, asked, email.typed) if choice.signs_in else await visit.show(done)
    except ValidationError:
        return await _again(visit, token, email, InvalidCredentials())
    except (InvalidCredentials, AccountBlocked, TooManyAttempts, Overloaded) as refused:
        return await _again(visit, token, email, refused)
    return await _enter(visit, choice, opened)


@routes.post("/ui/verify/afresh", dependencies=_VERIFYING)
async def start_afresh(
    visit: AVisit,
    links: TheLinks,
    verification: Verification,
) -> Response:
    """Verify an address by the link alone, which removes what a stranger may have left there."""
    token = token_in(visit.fields.get("token"))
    try:
        email = await links.address_of(token, Kind.VERIFY_EMAIL)
        choosing = await verification.take_over(token, visit.source)
    except InvalidLink:
        return await no_link(visit)
    return await visit.show(choose(visit, "afresh", choosing, email))


async def _enter(visit: Visit, choice: Choice, opened: OpenedSession) -> Response:
    if choice.signs_in:
        return await choice.arrival.let_in(visit, opened)
    await choice.arrival.end(opened, visit.source)  # it was only for this
    return await visit.show(DonePage(what="verified"))


async def _again(visit: Visit, token: str, email: Email, refused: Problem) -> Response:
    page = VerifyPage(
        token=token, email=email.typed, return_to=visit.return_to, error=refusal(refused.code)
    )
    return await visit.show(page, refused.status)
