"""The page for signing up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from fastapi import Depends
from pydantic import SecretStr, TypeAdapter, ValidationError
from starlette.responses import Response

from keyfob.accounts.email import Email
from keyfob.accounts.errors import EmailTaken
from keyfob.accounts.models import Name, PasswordIn
from keyfob.core.http import Provided, while_present
from keyfob.core.locales import _
from keyfob.core.problems import InvalidInput, Overloaded
from keyfob.limits.requests import limited
from keyfob.passwords.errors import WeakPassword
from keyfob.registration.service import Registration
from keyfob.web.doors.arrival import Arrival
from keyfob.web.doors.links import sent
from keyfob.web.mails import is_sent, kept_address
from keyfob.web.parts.refusals import refusal, weakness
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

_name: TypeAdapter[str] = TypeAdapter(Name)
_password: TypeAdapter[SecretStr] = TypeAdapter(PasswordIn)


@dataclass(frozen=True, kw_only=True)
class RegisterPage:
    """Asks for an address, a password and, if one likes, a name; or says to look at the mail.

    Then `email` is where a link is on its way, unless that is forgotten.
    """

    template: ClassVar[str] = "register.html"

    return_to: str
    name: str = ""
    email: str = ""
    is_sent: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)


@routes.get("/ui/register")
async def ask(visit: AVisit) -> Response:
    """Show the page; who is signed in already goes on."""
    if visit.user is not None:
        return visit.go_to(visit.return_to or visit.link("/ui/account"))
    return await visit.show(_page(visit))


@routes.post("/ui/register", dependencies=[Depends(limited("register", by="address"))])
async def register(
    visit: AVisit,
    registration: Annotated[Registration, Provided(Registration)],
    arrival: Annotated[Arrival, Provided(Arrival)],
) -> Response:
    """Make an account and sign in; or have its address confirmed first."""
    errors, status, opened = _missing(visit), 422, None
    if not errors:
        try:
            attempt = registration.with_password(
                Email.parse(visit.fields.line("email")),
                SecretStr(visit.fields.get("password")),
                visit.fields.line("name") or None,
                visit.source,
            )
            opened = await while_present(visit.request, attempt)
        except WeakPassword as weak:
            errors["password"] = weakness(weak.reason)
        except EmailTaken as taken:
            errors["email"], status = refusal(taken.code), taken.status
        except InvalidInput:
            errors["email"] = _("No account can be made for this address.")
        except Overloaded as refused:
            errors[""], status = refusal(refused.code), refused.status
    if errors:
        return await visit.show(_page(visit, errors), status)
    if opened is None:
        return sent(visit, Email.parse(visit.fields.line("email")))
    return await arrival.let_in(visit, opened)


def _missing(visit: Visit) -> dict[str, str]:
    """Return a sentence for each field that cannot be right, by its name."""
    errors = {}
    try:
        Email.parse(visit.fields.line("email"))
    except ValueError:
        errors["email"] = _("This is no e-mail address.")
    try:
        _password.validate_python(visit.fields.get("password"))
    except ValidationError:
        errors["password"] = _("Type a password.")
    try:
        _name.validate_python(visit.fields.line("name") or "-")
    except ValidationError:
        errors["name"] = _("Type a name of up to 200 characters.")
    return errors


def _page(visit: Visit, errors: Mapping[str, str] | None = None) -> RegisterPage:
    asked, was_sent = visit.request.query_params, is_sent(visit) and not errors
    typed = visit.fields.line("email") or asked.get("email", "")
    return RegisterPage(
        return_to=visit.return_to,
        name=visit.fields.line("name") or asked.get("name", ""),
        email=kept_address(visit) if was_sent else typed,
        is_sent=was_sent,
        errors=errors or {},
    )
