"""The second step of a sign-in: a code, a recovery code, or a passkey."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Depends
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from keyfob.core.http import Provided
from keyfob.core.problems import Problem
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.requests import limited
from keyfob.login.errors import AccountBlocked, PasswordChangeRequired
from keyfob.login.second_factor import PresentedFactor, SecondFactor
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.models import FactorType
from keyfob.mfa.passkeys.credentials import AssertionIn
from keyfob.web import cookies
from keyfob.web.doors.arrival import Arrival
from keyfob.web.doors.sign_in import next_step
from keyfob.web.doors.steps import Step, StepKind, read_step
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

TheSecondFactor = Annotated[SecondFactor, Provided(SecondFactor)]
_credential = TypeAdapter(AssertionIn)


@dataclass(frozen=True, kw_only=True)
class FactorPage:
    """Asks for a second factor: `first` is the one used last.

    `ends_in`: seconds until it has to begin anew. `error` is a problem's code.
    """

    template: ClassVar[str] = "factor.html"

    email: str
    return_to: str
    has_code: bool
    has_passkey: bool
    first: str
    ends_in: int
    error: str | None = None
    way: str = ""


@routes.get("/ui/factor", dependencies=[Depends(limited("login", by="address"))])
async def ask(visit: AVisit, second_factor: TheSecondFactor) -> Response:
    """Show the page, to the browser that began the sign-in."""
    step = read_step(visit.kept(cookies.STEP), StepKind.FACTOR)
    page = await _page(visit, second_factor, step)
    return await visit.show(page) if page else _begin_anew(visit, step)


@routes.post("/ui/factor", dependencies=[Depends(limited("login", by="address"))])
async def show_factor(
    visit: AVisit,
    second_factor: TheSecondFactor,
    arrival: Annotated[Arrival, Provided(Arrival)],
) -> Response:
    """Finish the sign-in with one factor."""
    step = read_step(visit.kept(cookies.STEP), StepKind.FACTOR)
    if step is None:
        return _begin_anew(visit, step)
    try:
        presented = _presented(visit)
        opened = await second_factor.present(step.token, presented, visit.source)
    except (InvalidFactor, TooManyAttempts) as refusal:
        page = await _page(visit, second_factor, step, refusal)
        return await visit.show(page, refusal.status) if page else _begin_anew(visit, step)
    except PasswordChangeRequired as asked:
        return next_step(visit, asked, step.email)
    except AccountBlocked:
        visit.forget(cookies.STEP)
        raise
    return await arrival.let_in(visit, opened)


@routes.post("/ui/factor/options", dependencies=[Depends(limited("login", by="address"))])
async def ask_for_passkey(visit: AVisit, second_factor: TheSecondFactor) -> Response:
    """Return the options for `navigator.credentials.get()`, for the script of the page."""
    step = read_step(visit.kept(cookies.STEP), StepKind.FACTOR)
    if step is None:
        raise InvalidFactor
    return visit.json({"options": await second_factor.request_options(step.token)})


def _presented(visit: Visit) -> PresentedFactor:
    fields = visit.fields
    if shown := fields.get("passkey"):
        try:
            return PresentedFactor(None, None, _credential.validate_json(shown).as_json())
        except ValidationError:
            raise InvalidFactor from None
    if recovery_code := fields.line("recovery_code"):
        return PresentedFactor(None, recovery_code[:64], None)
    digits = "".join(one for one in fields.line("code") if one not in " -")
    if not (len(digits) == 6 and digits.isascii() and digits.isdigit()):
        raise InvalidFactor  # costs no attempt
    return PresentedFactor(digits, None, None)


async def _page(
    visit: Visit, second_factor: SecondFactor, step: Step | None, refusal: Problem | None = None
) -> FactorPage | None:
    open_step = await second_factor.find(step.token) if step else None
    if step is None or open_step is None:
        return None
    factors, ends_at = open_step
    kinds = {factor.type for factor in factors}
    last = max(factors, key=lambda factor: factor.last_used_at or factor.created_at)
    return FactorPage(
        email=step.email,
        return_to=visit.return_to,
        has_code=FactorType.TOTP in kinds,
        has_passkey=FactorType.PASSKEY in kinds,
        first=last.type,
        ends_in=int((ends_at - visit.clock.now()).total_seconds()),
        error=refusal.code if refusal else None,
        way=visit.request.query_params.get("way", ""),
    )


def _begin_anew(visit: Visit, step: Step | None) -> Response:
    visit.forget(cookies.STEP)
    email = step.email if step else ""
    return visit.go("/ui/sign-in", why="step_ended", email=email, return_to=visit.return_to)
