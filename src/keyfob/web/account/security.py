"""The account's page of security: password, passkeys, authenticator, recovery codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Depends, Path
from markupsafe import Markup
from pydantic import SecretStr, TypeAdapter, ValidationError
from starlette.responses import Response

from keyfob.accounts.errors import EmailUnverified
from keyfob.accounts.models import PasswordIn
from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.bodies import Body
from keyfob.core.http import Provided, while_present
from keyfob.core.locales import N_, _
from keyfob.core.problems import Overloaded, Problem
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.requests import limited
from keyfob.login.errors import InvalidCredentials
from keyfob.mfa.changes import FactorChanges
from keyfob.mfa.enrolment import TotpEnrolment
from keyfob.mfa.errors import (
    FactorNotFound,
    InvalidFactor,
    InvalidPasskey,
    LastFactor,
    NoFactor,
    PasskeyTaken,
    TooManyFactors,
)
from keyfob.mfa.models import BegunTotp, Factor, FactorName, FactorType, TotpCode
from keyfob.mfa.passkeys.credentials import CeremonyOut, NewCredentialIn
from keyfob.mfa.passkeys.enrolment import PasskeyEnrolment
from keyfob.mfa.service import Factors
from keyfob.own_account.errors import NoPassword
from keyfob.own_account.password import OwnPassword
from keyfob.passwords.errors import WeakPassword
from keyfob.sessions.models import LiveSession
from keyfob.sessions.service import Sessions
from keyfob.web.parts.refusals import refusal, weakness
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

# Also for a role that requires a factor, before there is one.
AnyUser = Annotated[User, require(factor=False)]
AddingUser = Annotated[User, require(recent=True, factor=False)]
RecentUser = Annotated[User, require(recent=True)]
FactorId = Annotated[UUID, Path(alias="id")]
Changes = Annotated[FactorChanges, Provided(FactorChanges)]
Totp = Annotated[TotpEnrolment, Provided(TotpEnrolment)]
Passkeys = Annotated[PasskeyEnrolment, Provided(PasskeyEnrolment)]
_READING = [Depends(limited("me", by="caller"))]
_LIMITED = [Depends(limited("me-factors", by="both"))]

_name: TypeAdapter[str] = TypeAdapter(FactorName)
_code: TypeAdapter[str] = TypeAdapter(TotpCode)
_password: TypeAdapter[SecretStr] = TypeAdapter(PasswordIn)
_OLD = timedelta(days=90)
_FEW_CODES = 3

_DONE: Mapping[str, str] = {
    "renamed": N_("The new name is saved."),
    "removed": N_("The factor is removed. It no longer signs you in."),
    "added": N_("The factor is added."),
    "password": N_("Your password is changed. All other sessions have ended."),
}


class _NewPasskey(Body):
    challenge_id: UUID
    credential: NewCredentialIn


@dataclass(frozen=True, kw_only=True)
class SecurityPage:
    """The factors, and a check-up. `why` tells why one is here, `errors` are of the open form."""

    template: ClassVar[str] = "account/security.html"

    factors: list[Factor]
    codes_left: int
    old_sessions: list[LiveSession]
    is_verified: bool
    why: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def passkeys(self) -> list[Factor]:
        return [factor for factor in self.factors if factor.type is FactorType.PASSKEY]

    @property
    def authenticators(self) -> list[Factor]:
        return [factor for factor in self.factors if factor.type is FactorType.TOTP]

    @property
    def has_few_codes(self) -> bool:
        """Tell whether it is time for new recovery codes."""
        return bool(self.factors) and self.codes_left <= _FEW_CODES


@dataclass(frozen=True, kw_only=True)
class PasswordPage:
    """Asks for the present and a new password; `onward` is where to go then, if it is elsewhere."""

    template: ClassVar[str] = "account/password.html"

    onward: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NewPasskeyPage:
    """Asks for the name of a new passkey, and has the browser make it."""

    template: ClassVar[str] = "account/new_passkey.html"

    name: str
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NewTotpPage:
    """Shows the secret of a new authenticator, as a picture and as text, and asks for a code."""

    template: ClassVar[str] = "account/new_totp.html"

    begun: BegunTotp
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def picture(self) -> Markup:
        """The picture, which the service has drawn itself."""
        return Markup(self.begun.qr_svg)  # noqa: S704 - nobody else's text is in it

    @property
    def key(self) -> str:
        """The secret in groups of four, for typing."""
        text = self.begun.secret.rstrip("=")
        return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


@dataclass(frozen=True, kw_only=True)
class CodesPage:
    """Shows recovery codes, once."""

    template: ClassVar[str] = "account/codes.html"

    codes: list[str]


@dataclass(frozen=True, kw_only=True)
class Security:
    """Reads what the page shows."""

    factors: Factors
    sessions: Sessions

    async def show(
        self, visit: Visit, caller: User, status: int = 200, *, wrong: Problem | None = None
    ) -> Response:
        """Return the page; `wrong` is why something was refused."""
        db, now = self.factors.db, visit.clock.now()
        page = SecurityPage(
            factors=await self.factors.list(db, caller.user_id),
            codes_left=await self.factors.count_recovery_codes(db, caller.user_id),
            old_sessions=[
                session
                for session in await self.sessions.list_live(caller.user_id)
                if _is_old(session, now)
            ],
            is_verified=(await visit.profile()).email_verified,
            why=visit.request.query_params.get("why", ""),
            errors={"": refusal(wrong.code)} if wrong else {},
        )
        done = visit.done(_DONE)
        return await visit.show(page, status, toast=done)


TheSecurity = Annotated[Security, Provided(Security)]


@routes.get("/ui/account/security", dependencies=_READING)
async def show_security(visit: AVisit, caller: AnyUser, security: TheSecurity) -> Response:
    """Show the page."""
    return await security.show(visit, caller)


@routes.get("/ui/account/password", dependencies=_READING)
async def ask_for_password(visit: AVisit, caller: RecentUser) -> Response:
    """Show the form for a new password."""
    return await visit.show(PasswordPage(onward=visit.return_to))


@routes.post("/ui/account/password", dependencies=[Depends(limited("me-password", by="both"))])
async def change_password(
    visit: AVisit, caller: RecentUser, own: Annotated[OwnPassword, Provided(OwnPassword)]
) -> Response:
    """Change the password; all other sessions end."""
    errors: dict[str, str] = {}
    try:
        current = _password.validate_python(visit.fields.get("current_password"))
        new = _password.validate_python(visit.fields.get("new_password"))
        change = own.change(caller, current, new, visit.source)
        visit.begin_session(await while_present(visit.request, change))
    except ValidationError:
        errors["new_password"] = _("Type both passwords.")
    except WeakPassword as weak:
        errors["new_password"] = weakness(weak.reason)
    except InvalidCredentials:
        errors["current_password"] = _("This is not your present password.")
    except (NoPassword, TooManyAttempts, Overloaded) as refused:
        errors[""] = refusal(refused.code)
    if errors:
        return await visit.show(PasswordPage(errors=errors, onward=visit.return_to), 422)
    if visit.return_to:
        return visit.go_to(visit.return_to)
    return visit.go("/ui/account/security", done="password")


@routes.get("/ui/account/passkeys/new", dependencies=_READING)
async def ask_for_passkey(visit: AVisit, caller: AddingUser) -> Response:
    """Show the form for a new passkey."""
    return await visit.show(NewPasskeyPage(name=_("My passkey")))


@routes.post("/ui/account/passkeys/options", dependencies=_LIMITED)
async def begin_passkey(visit: AVisit, caller: AddingUser, passkeys: Passkeys) -> Response:
    """Return the options for `navigator.credentials.create()`, for the script of the page."""
    begun = CeremonyOut.of(await passkeys.begin(caller))
    return visit.json(begun.model_dump(mode="json"))


@routes.post("/ui/account/passkeys", dependencies=_LIMITED)
async def add_passkey(
    visit: AVisit, caller: AddingUser, passkeys: Passkeys, security: TheSecurity
) -> Response:
    """Add the passkey that the browser has made; with the first factor, show recovery codes."""
    try:
        name = _name.validate_python(visit.fields.get("name"))
        made = _NewPasskey.model_validate_json(visit.fields.get("passkey"))
        _factor, codes = await passkeys.finish(
            caller, made.challenge_id, name, made.credential.as_json(), visit.source
        )
    except ValidationError:
        errors = {"name": _("Type a name of up to 100 characters.")}
        return await visit.show(NewPasskeyPage(name=visit.fields.line("name"), errors=errors), 422)
    except (InvalidPasskey, PasskeyTaken, TooManyFactors, EmailUnverified) as refused:
        page = NewPasskeyPage(name=visit.fields.line("name"), errors={"": refusal(refused.code)})
        return await visit.show(page, refused.status)
    return await _added(visit, codes)


@routes.post("/ui/account/totp", dependencies=_LIMITED)
async def begin_totp(
    visit: AVisit, caller: AddingUser, totp: Totp, security: TheSecurity
) -> Response:
    """Make a secret for an authenticator app, and show it."""
    try:
        begun = await totp.begin(caller, _("Authenticator app"))
    except (TooManyFactors, EmailUnverified) as refused:
        return await security.show(visit, caller, refused.status, wrong=refused)
    return await visit.show(NewTotpPage(begun=begun))


@routes.post("/ui/account/totp/{id}/confirm", dependencies=_LIMITED)
async def confirm_totp(
    factor_id: FactorId, visit: AVisit, caller: AddingUser, totp: Totp, security: TheSecurity
) -> Response:
    """Make the authenticator a factor, by one of its codes."""
    try:
        code = _code.validate_python(visit.fields.line("code"))
        codes = await totp.confirm(caller, factor_id, code, visit.source)
    except (ValidationError, InvalidFactor, TooManyAttempts) as wrong:
        known = isinstance(wrong, TooManyAttempts)
        words = refusal("too_many_attempts") if known else _("This is not the present code.")
        begun = await totp.show_again(caller, factor_id, (await visit.profile()).email)
        return await visit.show(NewTotpPage(begun=begun, errors={"code": words}), 422)
    except (FactorNotFound, TooManyFactors, EmailUnverified) as refused:
        return await security.show(visit, caller, refused.status, wrong=refused)
    return await _added(visit, codes)


@routes.post("/ui/account/factors/{id}/rename", dependencies=_LIMITED)
async def rename_factor(
    factor_id: FactorId,
    visit: AVisit,
    caller: RecentUser,
    changes: Changes,
    security: TheSecurity,
) -> Response:
    """Rename a factor."""
    try:
        name = _name.validate_python(visit.fields.get("name"))
        await changes.rename(caller, factor_id, name, visit.source)
    except ValidationError:
        return visit.go("/ui/account/security")
    except FactorNotFound as refused:
        return await security.show(visit, caller, refused.status, wrong=refused)
    return visit.go("/ui/account/security", done="renamed")


@routes.post("/ui/account/factors/{id}/remove", dependencies=_LIMITED)
async def remove_factor(
    factor_id: FactorId,
    visit: AVisit,
    caller: RecentUser,
    changes: Changes,
    security: TheSecurity,
) -> Response:
    """Remove a factor."""
    try:
        await changes.remove(caller, factor_id, visit.source)
    except (FactorNotFound, LastFactor) as refused:
        return await security.show(visit, caller, refused.status, wrong=refused)
    await visit.replace_cookie()
    return visit.go("/ui/account/security", done="removed")


@routes.post("/ui/account/recovery-codes", dependencies=_LIMITED)
async def renew_codes(
    visit: AVisit, caller: RecentUser, changes: Changes, security: TheSecurity
) -> Response:
    """Make ten new recovery codes, and show them."""
    try:
        codes = await changes.renew_recovery_codes(caller, visit.source)
    except (EmailUnverified, NoFactor) as refused:
        return await security.show(visit, caller, refused.status, wrong=refused)
    return await visit.show(CodesPage(codes=codes))


async def _added(visit: Visit, codes: list[str]) -> Response:
    """Show the recovery codes that came with the first factor; the session may do more now."""
    await visit.replace_cookie()
    if codes:
        return await visit.show(CodesPage(codes=codes))
    return visit.go("/ui/account/security", done="added")


def _is_old(session: LiveSession, now: datetime) -> bool:
    return now - session.login_at > _OLD
