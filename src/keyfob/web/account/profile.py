"""The account's first page: name, language and time zone, and the way to another address."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from fastapi import Depends
from pydantic import ValidationError
from starlette.responses import Response

from keyfob.accounts.changes import ProfileChanges
from keyfob.accounts.email import Email
from keyfob.accounts.models import OwnUserOut
from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided
from keyfob.core.locales import N_, Locale, _
from keyfob.core.problems import InvalidInput
from keyfob.limits.requests import limited
from keyfob.own_account.email import OwnEmail
from keyfob.own_account.models import ProfileIn
from keyfob.own_account.profile import OwnProfile, timezones
from keyfob.web.mails import is_sent, keep_address, kept_address
from keyfob.web.parts.sentences import value_in_words
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

SignedIn = Annotated[User, require()]
RecentlySignedIn = Annotated[User, require(recent=True)]
Profile = Annotated[OwnProfile, Provided(OwnProfile)]
_READING = [Depends(limited("me", by="caller"))]
_LIMITED = [Depends(limited("me", by="both"))]

# The other names are old ones of the same zones, or have no place.
_CONTINENTS = frozenset(
    {"Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe"}
    | {"Indian", "Pacific", "UTC"}
)
_DONE: Mapping[str, str] = {
    "saved": N_("Your profile is saved."),
    "zone": N_("Your time zone is saved."),
}


@dataclass(frozen=True, kw_only=True)
class ProfilePage:
    """The profile: what may be changed, and what is known.

    `guess` is the browser's zone, if the account has none; `zone` is the one or the other.
    """

    template: ClassVar[str] = "account/profile.html"

    account: OwnUserOut
    name: str
    role: str
    zone: str | None
    guess: str | None
    time_there: str
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def languages(self) -> list[tuple[str, str]]:
        """The languages to choose from, each named in itself."""
        return [(locale.value, locale.own_name) for locale in Locale]


@dataclass(frozen=True, kw_only=True)
class ZonePage:
    """Asks for the time zone."""

    template: ClassVar[str] = "account/time_zone.html"

    zone: str
    zones: list[str]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NewAddressPage:
    """Asks for another address. `is_sent`: a link is on its way, to `sent_to` if that is known."""

    template: ClassVar[str] = "account/new_address.html"

    email: str = ""
    is_sent: bool = False
    sent_to: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@routes.get("/ui/account", dependencies=_READING)
async def show_profile(visit: AVisit, caller: SignedIn) -> Response:
    """Show the page."""
    return await _show(visit)


@routes.post("/ui/account", dependencies=_LIMITED)
async def change_profile(visit: AVisit, caller: SignedIn, own: Profile) -> Response:
    """Change name and language; a field that the form lacks stays as it is."""
    given = {name: visit.fields.line(name) for name in ("name", "locale") if name in visit.fields}
    try:
        asked = ProfileIn.model_validate({name: given[name] or None for name in given})
    except ValidationError as wrong:
        return await _show(visit, 422, errors=_errors_of(wrong))
    changes = ProfileChanges(asked.name, asked.locale, None, frozenset(given))
    changed = await own.change(caller, changes, visit.source)
    visit.choose_language(changed.locale)
    return visit.go("/ui/account", done="saved")


@routes.get("/ui/account/time-zone", dependencies=_READING)
async def ask_for_zone(visit: AVisit, caller: SignedIn) -> Response:
    """Show the time zones."""
    return await _show_zones(visit)


@routes.post("/ui/account/time-zone", dependencies=_LIMITED)
async def change_zone(visit: AVisit, caller: SignedIn, own: Profile) -> Response:
    """Change the time zone; without one in the form, remove it."""
    try:
        asked = ProfileIn.model_validate({"timezone": visit.fields.line("timezone") or None})
        changes = ProfileChanges(timezone=asked.timezone, sets=frozenset({"timezone"}))
        await own.change(caller, changes, visit.source)
    except (ValidationError, InvalidInput):
        return await _show_zones(visit, 422, {"timezone": _("Choose a time zone of the list.")})
    return visit.go("/ui/account", done="zone")


@routes.get("/ui/account/email", dependencies=_READING)
async def ask_for_address(visit: AVisit, caller: RecentlySignedIn) -> Response:
    """Show the form for another address."""
    page = NewAddressPage(is_sent=is_sent(visit), sent_to=kept_address(visit))
    return await visit.show(page)


@routes.post("/ui/account/email", dependencies=[Depends(limited("me-email", by="both"))])
async def change_address(
    visit: AVisit, caller: RecentlySignedIn, own: Annotated[OwnEmail, Provided(OwnEmail)]
) -> Response:
    """Send a link to the other address; say the same whether or not it has an account."""
    typed = visit.fields.line("email")
    present = Email.parse((await visit.profile()).email)
    try:
        email = Email.parse(typed)
        if email.normal == present.normal:
            return await _again(visit, typed, _("This is your present address."))
        await own.request(caller, email)
    except ValueError:
        return await _again(visit, typed, _("Type an address such as ada@example.com."))
    except InvalidInput:
        return await _again(visit, typed, _("No account may have this address. Type another one."))
    keep_address(visit, email.typed)
    return visit.go("/ui/account/email", sent="yes")


async def _show(
    visit: Visit, status: int = 200, *, errors: Mapping[str, str] | None = None
) -> Response:
    account = await visit.profile()
    zone = account.timezone or visit.zone
    page = ProfilePage(
        account=account.model_copy(update={"locale": visit.fields.get("locale") or account.locale}),
        name=visit.fields.get("name") if "name" in visit.fields else account.name or "",
        role=value_in_words(account.role),
        zone=zone,
        guess=None if account.timezone else visit.zone,
        time_there=_time_in(zone, visit.clock.now()),
        errors=errors or {},
    )
    done = visit.done(_DONE)
    return await visit.show(page, status, toast=done)


async def _show_zones(
    visit: Visit, status: int = 200, errors: Mapping[str, str] | None = None
) -> Response:
    zone = (await visit.profile()).timezone or visit.zone or "UTC"
    every = await asyncio.to_thread(timezones)  # reading the names takes 30 ms
    zones = sorted({name for name in every if name.partition("/")[0] in _CONTINENTS} | {zone})
    return await visit.show(ZonePage(zone=zone, zones=zones, errors=errors or {}), status)


async def _again(visit: Visit, typed: str, why: str) -> Response:
    return await visit.show(NewAddressPage(email=typed, errors={"email": why}), 422)


def _errors_of(wrong: ValidationError) -> dict[str, str]:
    sentences = {
        "name": _("Type a name of up to 200 characters, without any that are not seen."),
        "locale": _("Choose a language of the list."),
    }
    found = {str(error["loc"][0]) for error in wrong.errors()}
    return {name: words for name, words in sentences.items() if name in found}


def _time_in(zone: str | None, now: datetime) -> str:
    return f"{now.astimezone(ZoneInfo(zone)):%H:%M}" if zone else ""
