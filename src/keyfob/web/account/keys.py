"""The account's page of API keys: made, shown once, renamed and revoked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Depends, Path
from pydantic import ValidationError
from starlette.responses import Response

from keyfob.api_keys.errors import KeyNotFound, TooManyKeys
from keyfob.api_keys.models import KeyCreate, KeyRename, StoredKey
from keyfob.api_keys.service import OwnKeys
from keyfob.authority.models import Permission, Role, User
from keyfob.authority.requiring import require
from keyfob.authority.roles import Roles
from keyfob.clients.errors import UnknownScope
from keyfob.core.http import Provided
from keyfob.core.locales import N_, _, gettext, ngettext
from keyfob.core.problems import Forbidden, InvalidInput, Problem
from keyfob.limits.requests import limited
from keyfob.web.parts.refusals import refusal
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

SignedIn = Annotated[User, require()]
RecentlySignedIn = Annotated[User, require(recent=True)]
Keys = Annotated[OwnKeys, Provided(OwnKeys)]
TheRoles = Annotated[Roles, Provided(Roles)]
KeyId = Annotated[UUID, Path(alias="id")]
_READING = [Depends(limited("me", by="caller"))]
_LIMITED = [Depends(limited("me-factors", by="both"))]
_DAYS = (7, 30, 90, 180, 365)

_DONE: Mapping[str, str] = {
    "renamed": N_("The new name is saved."),
    "revoked": N_("The key is revoked. Whatever has it is refused from now on."),
}


@dataclass(frozen=True, kw_only=True)
class KeysPage:
    """The valid keys, the newest first."""

    template: ClassVar[str] = "account/keys.html"

    keys: list[StoredKey]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NewKeyPage:
    """Asks for the name, the scope and the time of a new key; `offered` is what one holds.

    Each has its meaning; what other APIs call so has none here.
    """

    template: ClassVar[str] = "account/new_key.html"

    offered: list[tuple[str, str]]
    name: str
    chosen: tuple[str, ...]
    days: str
    periods: list[tuple[str, str]]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MadeKeyPage:
    """Shows a key, once."""

    template: ClassVar[str] = "account/made_key.html"

    key: StoredKey
    text: str


@routes.get("/ui/account/keys", dependencies=_READING)
async def show_keys(visit: AVisit, caller: SignedIn, own: Keys) -> Response:
    """Show the page."""
    return await _show(visit, caller, own)


@routes.get("/ui/account/keys/new", dependencies=_READING)
async def ask_for_key(
    visit: AVisit, caller: RecentlySignedIn, own: Keys, roles: TheRoles
) -> Response:
    """Show the form for a new key."""
    return await visit.show(_form(visit, caller, own, roles))


@routes.post("/ui/account/keys", dependencies=_LIMITED)
async def make_key(visit: AVisit, caller: RecentlySignedIn, own: Keys, roles: TheRoles) -> Response:
    """Make a key, and show it."""
    try:
        asked = KeyCreate.model_validate(
            {"name": visit.fields.line("name"), "scope": visit.fields.list_all("scope")}
        )
        key, text = await own.create(
            caller,
            name=asked.name,
            scope=asked.scope,
            expires_at=_end(visit, own),
            source=visit.source,
        )
    except ValidationError as wrong:
        return await visit.show(_form(visit, caller, own, roles, _errors_of(wrong)), 422)
    except InvalidInput:
        errors = {"days": _("Choose one of the times.")}
        return await visit.show(_form(visit, caller, own, roles, errors), 422)
    except (UnknownScope, Forbidden):
        errors = {"scope": _("Choose from what is listed: you may do no more yourself.")}
        return await visit.show(_form(visit, caller, own, roles, errors), 422)
    except TooManyKeys as refused:
        return await _show(visit, caller, own, refused.status, wrong=refused)
    return await visit.show(MadeKeyPage(key=key, text=text))


@routes.post("/ui/account/keys/{id}/rename", dependencies=_LIMITED)
async def rename_key(key_id: KeyId, visit: AVisit, caller: SignedIn, own: Keys) -> Response:
    """Rename a key."""
    try:
        asked = KeyRename.model_validate({"name": visit.fields.line("name")})
        await own.rename(caller, key_id, asked.name, visit.source)
    except ValidationError as wrong:
        return await _show(visit, caller, own, 422, errors={"": _errors_of(wrong)["name"]})
    except KeyNotFound as gone:
        return await _show(visit, caller, own, gone.status, wrong=gone)
    return visit.go("/ui/account/keys", done="renamed")


@routes.post("/ui/account/keys/{id}/revoke", dependencies=_READING)
async def revoke_key(key_id: KeyId, visit: AVisit, caller: SignedIn, own: Keys) -> Response:
    """Revoke a key, at once."""
    try:
        await own.revoke(caller, key_id, visit.source)
    except KeyNotFound as gone:
        return await _show(visit, caller, own, gone.status, wrong=gone)
    return visit.go("/ui/account/keys", done="revoked")


async def _show(
    visit: Visit,
    caller: User,
    own: OwnKeys,
    status: int = 200,
    *,
    wrong: Problem | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    page = KeysPage(
        keys=await own.keys.list_live(caller.user_id),
        errors={"": refusal(wrong.code)} if wrong else errors or {},
    )
    done = visit.done(_DONE)
    return await visit.show(page, status, toast=done)


def _form(
    visit: Visit,
    caller: User,
    own: OwnKeys,
    roles: Roles,
    errors: Mapping[str, str] | None = None,
) -> NewKeyPage:
    held = roles.permissions_of(caller)
    longest = own.longest // timedelta(days=1)
    periods = sorted({days for days in _DAYS if days <= longest} | {longest})
    names = sorted(held | own.resources.scopes if caller.role is Role.ADMIN else held)
    meanings = {permission.value: permission.meaning for permission in Permission}
    return NewKeyPage(
        offered=[(one, gettext(meanings[one]) if one in meanings else "") for one in names],
        name=visit.fields.line("name"),
        chosen=visit.fields.list_all("scope"),
        days=visit.fields.line("days") or str(next((n for n in periods if n >= 90), longest)),
        periods=[
            (str(days), ngettext("%(num)s day", "%(num)s days", days) % {"num": days})
            for days in periods
        ],
        errors=errors or {},
    )


def _end(visit: Visit, own: OwnKeys) -> datetime:
    """Return the end that the form asks for.

    Raises:
        InvalidInput: it is no number of days that a key may have.
    """
    text = visit.fields.line("days")
    days = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
    if not 0 < days <= own.longest // timedelta(days=1):
        raise InvalidInput([{"pointer": "/days", "detail": "should be one of the list"}])
    return visit.clock.now() + timedelta(days=days)


def _errors_of(wrong: ValidationError) -> dict[str, str]:
    sentences = {
        "name": _("Type a name of up to 200 characters, without any that are not seen."),
        "scope": _("Choose at least one thing that the key may do."),
    }
    found = {str(error["loc"][0]) for error in wrong.errors()}
    return {name: words for name, words in sentences.items() if name in found}
