"""The pages that links in mails open: verify an address, choose a password, change the address.

The token is in the URL's fragment, which browsers do not send (ADR 33); a script puts it into a
form. Without scripts, the reader pastes the link. Opening it only looks: programs that follow links
use none up. The token then goes from form to form in a hidden field, never in a URL or a cookie.
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from fastapi import Depends
from pydantic import SecretStr, TypeAdapter, ValidationError
from starlette.responses import Response

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.email import Email
from keyfob.accounts.models import PasswordIn
from keyfob.core.database import Database
from keyfob.core.http import Provided, while_present
from keyfob.core.locales import _
from keyfob.core.problems import Overloaded, Problem
from keyfob.limits.requests import limited
from keyfob.login.errors import (
    MfaRequired,
    PasswordChangeRequired,
)
from keyfob.login.service import Login
from keyfob.one_time_tokens.errors import InvalidLink
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.passwords.errors import WeakPassword
from keyfob.recovery.service import Recovery
from keyfob.web import cookies
from keyfob.web.doors.arrival import Arrival
from keyfob.web.doors.sign_in import next_step
from keyfob.web.doors.steps import StepKind, read_step
from keyfob.web.mails import is_sent, keep_address, keep_way, kept_address, kept_way
from keyfob.web.parts.refusals import refusal, weakness
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()
sign_in_routes = pages()  # the same, where pages sign in

What = Literal["recover", "invite", "verify", "email"]
TheRecovery = Annotated[Recovery, Provided(Recovery)]

_password: TypeAdapter[SecretStr] = TypeAdapter(PasswordIn)
_LIMITED = [Depends(limited("recover", by="address"))]
_CHOOSING = (Kind.RECOVER, Kind.INVITE, Kind.CHANGE_PASSWORD)


@dataclass(frozen=True, kw_only=True)
class LinkPage:
    """Takes the token of a link, by a script or pasted; or asks where to send a link.

    `is_sent`: one was sent, to `sent_to` if it has an account; the address may be forgotten.
    """

    template: ClassVar[str] = "link.html"

    what: What
    return_to: str
    email: str = ""
    is_sent: bool = False
    sent_to: str = ""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class ChoosePage:
    """Asks for a new password; `what` tells why. `action` is where the form goes."""

    template: ClassVar[str] = "choose_password.html"

    what: Literal["recover", "invite", "afresh", "change"]
    action: str
    token: str
    email: str
    return_to: str
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class DonePage:
    """Says what was done, where nobody is signed in by it."""

    template: ClassVar[str] = "done.html"

    what: Literal["password", "verified", "email"]


@dataclass(frozen=True, kw_only=True)
class Links:
    """Looks links up for pages."""

    db: Database
    links: OneTimeTokens
    credentials: Credentials

    async def address_of(self, token: str, *kinds: Kind) -> Email:
        """Return the address of the account that a valid link opens.

        Raises:
            InvalidLink: it is not valid.
        """
        link = await self.links.find(self.db, kinds, token) if token else None
        account = link and await self.credentials.find_unlocked(link.user_id)
        if not account:
            raise InvalidLink
        return account.email


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Sets passwords that were chosen by a link. `signs_in`: pages keep sessions."""

    recovery: Recovery
    login: Login
    arrival: Arrival
    signs_in: bool

    async def let_in(self, visit: Visit, page: ChoosePage, password: SecretStr) -> Response:
        """Sign in with the password that was just chosen; it is set, whatever this says."""
        if not self.signs_in:
            return await visit.show(DonePage(what="password"))
        try:
            email = Email.parse(page.email)
            opened = await self.login.with_password(email, password, visit.source)
        except (MfaRequired, PasswordChangeRequired) as asked:
            return next_step(visit, asked, page.email)
        except Problem:
            visit.forget(cookies.STEP)
            return visit.go(
                "/ui/sign-in", why="recovered", email=page.email, return_to=page.return_to
            )
        return await self.arrival.let_in(visit, opened)


TheChoice = Annotated[Choice, Provided(Choice)]
TheLinks = Annotated[Links, Provided(Links)]


def token_in(text: str) -> str:
    """Return the token of a link that was pasted whole, or the token itself."""
    return text.strip().rpartition("token=")[2]


@routes.get("/ui/recover")
@routes.get("/ui/invite")
@routes.get("/ui/verify")
async def open_page(visit: AVisit) -> Response:
    """Show the page that takes a link, or asks where to send one."""
    return await visit.show(link_page(visit))


@routes.post("/ui/recover", dependencies=_LIMITED)
async def request_recovery(visit: AVisit, recovery: TheRecovery) -> Response:
    """Send a link for a new password. The answer is the same for any address."""
    try:
        email = Email.parse(visit.fields.line("email"))
    except ValueError:
        return await visit.show(link_page(visit, error=_("This is no e-mail address.")), 422)
    await recovery.request_link(email, visit.source)
    return sent(visit, email)


@routes.post("/ui/recover/open", dependencies=_LIMITED)
@routes.post("/ui/invite/open", dependencies=_LIMITED)
async def open_choice(visit: AVisit, links: TheLinks) -> Response:
    """Show the form for a new password, to whoever has a valid link."""
    token = token_in(visit.fields.get("token"))
    try:
        email = await links.address_of(token, *_CHOOSING)
    except InvalidLink:
        return await no_link(visit)
    what: Literal["recover", "invite"] = "invite" if _what(visit) == "invite" else "recover"
    return await visit.show(choose(visit, what, token, email))


@routes.post("/ui/recover/set", dependencies=_LIMITED)
@routes.post("/ui/invite/set", dependencies=_LIMITED)
async def set_password(visit: AVisit, links: TheLinks, choice: TheChoice) -> Response:
    """Set the new password, and sign in with it."""
    token = token_in(visit.fields.get("token"))
    try:
        email = await links.address_of(token, *_CHOOSING)
    except InvalidLink:
        return await no_link(visit)
    what: Literal["recover", "invite"] = "invite" if _what(visit) == "invite" else "recover"
    return await _choose_and_enter(visit, choice, choose(visit, what, token, email), token)


@sign_in_routes.get("/ui/password", dependencies=[Depends(limited("login", by="address"))])
async def ask_for_own_password(visit: AVisit, links: TheLinks) -> Response:
    """Ask for a password in place of one that an administrator has chosen."""
    step = read_step(visit.kept(cookies.STEP), StepKind.CHOOSING)
    try:
        email = await links.address_of(step.token if step else "", Kind.CHANGE_PASSWORD)
    except InvalidLink:
        return visit.go("/ui/sign-in", why="step_ended", email=step.email if step else "")
    return await visit.show(choose(visit, "change", "", email))


@sign_in_routes.post("/ui/password", dependencies=_LIMITED)
async def set_own_password(visit: AVisit, links: TheLinks, choice: TheChoice) -> Response:
    """Set it, and sign in with it."""
    step = read_step(visit.kept(cookies.STEP), StepKind.CHOOSING)
    token = step.token if step else ""
    try:
        email = await links.address_of(token, Kind.CHANGE_PASSWORD)
    except InvalidLink:
        return visit.go("/ui/sign-in", why="step_ended", email=step.email if step else "")
    return await _choose_and_enter(visit, choice, choose(visit, "change", "", email), token)


async def _choose_and_enter(visit: Visit, choice: Choice, page: ChoosePage, token: str) -> Response:
    """Set the password of a form and sign in with it; or show the form again."""
    try:
        password = _password.validate_python(visit.fields.get("new_password"))
        change = choice.recovery.set_password(token, password, visit.source)
        await while_present(visit.request, change)
    except InvalidLink:
        return await no_link(visit)
    except (ValidationError, WeakPassword, Overloaded) as refused:
        status = refused.status if isinstance(refused, Problem) else 422
        return await visit.show(replace(page, error=_why_not(refused)), status)
    return await choice.let_in(visit, page, password)


def _why_not(refused: ValidationError | WeakPassword | Overloaded) -> str:
    if isinstance(refused, ValidationError):
        return _("Type a password.")
    return weakness(refused.reason) if isinstance(refused, WeakPassword) else refusal(refused.code)


def sent(visit: Visit, email: Email) -> Response:
    """Go on to the page that says that a mail is on its way; to reload it sends none."""
    keep_way(visit)
    keep_address(visit, email.typed)
    return visit.go(visit.path, sent="yes", return_to=visit.return_to)


async def no_link(visit: Visit) -> Response:
    """Say that a link is not valid, and where to get another."""
    words = _("This link is no longer valid: it was used already, or is too old.")
    return await visit.show(link_page(visit, error=words), 400)


def _what(visit: Visit) -> What:
    name = visit.path.split("/")[2]
    return name if name in {"invite", "verify", "email"} else "recover"  # type: ignore[return-value] # one of the literals


def link_page(visit: Visit, *, error: str | None = None) -> LinkPage:
    what = _what(visit)
    was_sent = is_sent(visit) and error is None and what in {"recover", "verify"}
    return LinkPage(
        what=what,
        return_to=kept_way(visit),
        email=visit.fields.line("email") or visit.request.query_params.get("email", ""),
        is_sent=was_sent,
        sent_to=kept_address(visit) if was_sent else "",
        error=error,
    )


def choose(
    visit: Visit,
    what: Literal["recover", "invite", "afresh", "change"],
    token: str,
    email: Email,
) -> ChoosePage:
    """Return the form for a new password, for whoever has a valid link."""
    path = {"invite": "/ui/invite/set", "change": "/ui/password"}.get(what, "/ui/recover/set")
    return ChoosePage(
        what=what,
        action=visit.link(path),
        token=token,
        email=email.typed,
        return_to=visit.return_to,
    )
