"""The page for signing in: a password, or a passkey."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Depends
from pydantic import SecretStr, TypeAdapter
from starlette.responses import Response

from keyfob.accounts.email import Email
from keyfob.accounts.models import PasswordIn
from keyfob.core.http import Provided, while_present
from keyfob.core.problems import Overloaded, Problem
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.requests import limited
from keyfob.login.errors import (
    AccountBlocked,
    InvalidCredentials,
    MfaRequired,
    PasswordChangeRequired,
)
from keyfob.login.passkey import PasskeyLogin
from keyfob.login.service import Login
from keyfob.mfa.errors import InvalidFactor
from keyfob.web import cookies
from keyfob.web.doors.arrival import Arrival
from keyfob.web.doors.steps import Step, StepKind
from keyfob.web.step_up import read_assertion
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

TheArrival = Annotated[Arrival, Provided(Arrival)]

_password: TypeAdapter[SecretStr] = TypeAdapter(PasswordIn)

# Why somebody is here, as a query may say it; anything else says nothing.
_WHYS = frozenset({"ended", "signed_out", "recent", "step_ended", "recovered", "verified"})


@dataclass(frozen=True, kw_only=True)
class SignInPage:
    """Asks for address and password. `why` tells why one is here; `error` is a problem's code."""

    template: ClassVar[str] = "sign_in.html"

    email: str
    return_to: str
    why: str = ""
    error: str | None = None
    retry_after: int | None = None


@routes.get("/ui/sign-in")
async def ask(visit: AVisit) -> Response:
    """Show the page; who is signed in already goes on."""
    if visit.user is not None and visit.return_to:
        return visit.go_to(visit.return_to)
    if visit.user is not None:
        return visit.go("/ui/account")
    why = visit.request.query_params.get("why", "")
    return await visit.show(_page(visit, why=why if why in _WHYS else ""))


@routes.post("/ui/sign-in", dependencies=[Depends(limited("login", by="address"))])
async def sign_in(
    visit: AVisit, login: Annotated[Login, Provided(Login)], arrival: TheArrival
) -> Response:
    """Sign in with a password; with a second factor, the next page asks for it."""
    try:
        email = Email.parse(visit.fields.line("email"))
        password = _password.validate_python(visit.fields.get("password"))
    except ValueError:  # neither can be an account's: as any wrong pair
        return await _again(visit, InvalidCredentials())
    try:
        attempt = login.with_password(email, password, visit.source)
        opened = await while_present(visit.request, attempt)
    except (MfaRequired, PasswordChangeRequired) as asked:
        return next_step(visit, asked, email.typed)
    except (InvalidCredentials, AccountBlocked, TooManyAttempts, Overloaded) as refusal:
        return await _again(visit, refusal)
    return await arrival.let_in(visit, opened)


@routes.post("/ui/sign-in/passkey", dependencies=[Depends(limited("passkey", by="address"))])
async def sign_in_with_passkey(
    visit: AVisit, login: Annotated[PasskeyLogin, Provided(PasskeyLogin)], arrival: TheArrival
) -> Response:
    """Sign in with the answer of a passkey, which a script has put into the form."""
    try:
        challenge_id, credential = read_assertion(visit.fields.get("passkey"))
        opened = await login.sign_in(challenge_id, credential, visit.source)
    except PasswordChangeRequired as asked:
        return next_step(visit, asked, "")
    except (InvalidFactor, AccountBlocked) as refusal:
        return await _again(visit, refusal)
    return await arrival.let_in(visit, opened)


def next_step(visit: Visit, asked: MfaRequired | PasswordChangeRequired, email: str) -> Response:
    """Go on to the second step of a sign-in, whose handle only this browser has."""
    if isinstance(asked, MfaRequired):
        step = Step(StepKind.FACTOR, str(asked.extra["mfa_token"]), email)
    else:
        step = Step(StepKind.CHOOSING, str(asked.extra["token"]), email)
    visit.keep(cookies.STEP, step.write(), cookies.STEP_TTL)
    path = "/ui/factor" if step.kind is StepKind.FACTOR else "/ui/password"
    return visit.go(path, return_to=visit.return_to)


def _page(visit: Visit, *, why: str = "", refusal: Problem | None = None) -> SignInPage:
    wait = refusal.headers.get("Retry-After", "") if refusal else ""
    return SignInPage(
        email=visit.fields.line("email") or visit.request.query_params.get("email", ""),
        return_to=visit.return_to,
        why=why,
        error=refusal.code if refusal else None,
        retry_after=int(wait) if wait.isdigit() else None,
    )


async def _again(visit: Visit, refusal: Problem) -> Response:
    visit.request.scope["problem"] = refusal
    return await visit.show(_page(visit, refusal=refusal), refusal.status)
