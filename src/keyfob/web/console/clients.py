"""Programs: the list, one program with its secrets, and the form that registers one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Depends, Path
from pydantic import ValidationError
from starlette.responses import Response

from keyfob.admin.client_models import ClientCreate
from keyfob.administration.authority import Actor
from keyfob.administration.clients import ClientAdministration
from keyfob.administration.errors import ClientNotFound, SecretNotFound, TooManySecrets
from keyfob.administration.resources import ResourceAdministration
from keyfob.authority.models import Permission, User
from keyfob.authority.requiring import require
from keyfob.authority.roles import Roles
from keyfob.clients.models import (
    AuthMethod,
    ClientChange,
    ClientKind,
    ClientSecret,
    RegisteredClient,
    Resource,
)
from keyfob.clients.registration import KINDS
from keyfob.core.http import Provided
from keyfob.core.locales import N_, gettext, ngettext
from keyfob.core.pagination import Cursors
from keyfob.core.problems import InvalidInput, Problem
from keyfob.limits.requests import limited
from keyfob.web.console.choices import choice_in
from keyfob.web.console.reading import place_in
from keyfob.web.parts.refusals import refusal
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

Reader = Annotated[User, require(Permission.CLIENTS_READ)]
# As for every change of clients; the service asks again under the lock.
Writer = Annotated[User, require(Permission.CLIENTS_WRITE, recent=True)]
Clients = Annotated[ClientAdministration, Provided(ClientAdministration)]
Resources = Annotated[ResourceAdministration, Provided(ResourceAdministration)]
TheRoles = Annotated[Roles, Provided(Roles)]
ClientId = Annotated[UUID, Path(alias="id")]
# Whatever a change answers with is a page of what may be read, so each asks for that right, too.
_LIMITED = [Depends(limited("admin", by="caller")), require(Permission.CLIENTS_READ)]
_LIST, _SIZE = "console clients", 50
_DAYS = (30, 90, 365)

_DONE: Mapping[str, str] = {
    "disabled": N_("The program is disabled: all its tokens have ended."),
    "enabled": N_("The program may ask for tokens again."),
    "secret_removed": N_("The secret is deleted, and the tokens of the program have ended."),
    "deleted": N_("The program is deleted, with its secrets and tokens."),
    "places": N_("The places to return to are changed."),
    "too_many": N_("The program has two secrets. Remove one first."),
    "gone": N_("It was gone already."),
}


_KINDS: Mapping[ClientKind, str] = {
    ClientKind.SERVICE: N_("A service without people"),
    ClientKind.WEB: N_("An app with a server"),
    ClientKind.BROWSER: N_("An app in the browser alone"),
    ClientKind.NATIVE: N_("An app on a phone or computer"),
}
_ERRORS: Mapping[str, str] = {
    "name": N_("Type a name of up to 200 characters."),
    "redirect_uris": N_(
        "Type whole addresses, one on each line. They begin with https://. On the user's own "
        "machine they may begin with http://localhost/, and on a phone with com.example.app:/."
    ),
    "first_party": N_("That is for apps whose addresses all begin with https://."),
}


class MixedRights(Problem):
    """A right was ticked at one API that another ticked API has by the same name."""

    status = 422
    code = "mixed_rights"
    title = "A right of that name belongs to another chosen API, too"


@dataclass(frozen=True, kw_only=True)
class ClientsPage:
    """The registered programs, oldest first; `following` is the link to the next page."""

    template: ClassVar[str] = "console/clients.html"

    clients: Sequence[RegisteredClient]
    first: bool
    following: str


@dataclass(frozen=True, kw_only=True)
class NewClientPage:
    """The form that registers a program; `may` are the permissions that its maker can give."""

    template: ClassVar[str] = "console/new_client.html"

    resources: Sequence[Resource]
    own: str
    may: Sequence[Permission]
    kind: ClientKind
    name: str = ""
    chosen: Sequence[str] = ()
    method: str = "client_secret_basic"
    redirect_uris: str = ""
    first_party: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_app(self) -> bool:
        """Tell whether people sign in by it."""
        return KINDS[self.kind].is_app

    @property
    def has_secret(self) -> bool:
        """Tell whether it gets a secret."""
        return AuthMethod.NONE not in KINDS[self.kind].methods

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The kinds, by their name in the address, with words for people."""
        return [(kind.value, gettext(words)) for kind, words in _KINDS.items()]


@dataclass(frozen=True, kw_only=True)
class ClientPage:
    """One program. `secret` is the text of a new secret, shown once."""

    template: ClassVar[str] = "console/client.html"

    client: RegisteredClient
    secrets: Sequence[ClientSecret]
    issuer: str
    secret: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of program, in words."""
        return gettext(_KINDS[self.client.kind])

    @property
    def choices(self) -> list[tuple[str, str]]:
        """The lengths of time for which a secret may be valid."""
        return [
            (str(days), ngettext("%(num)s day", "%(num)s days", days) % {"num": days})
            for days in _DAYS
        ]


@routes.get("/console/clients", dependencies=_LIMITED)
async def show_list(
    visit: AVisit, caller: Reader, clients: Clients, cursors: Annotated[Cursors, Provided(Cursors)]
) -> Response:
    """Show the registered programs."""
    place = place_in(visit, cursors, _LIST)
    found = await clients.list_page(UUID(place[0]) if place else None, _SIZE + 1)
    following = cursors.write(_LIST, [str(found[_SIZE - 1].id)]) if len(found) > _SIZE else ""
    page = ClientsPage(
        clients=found[:_SIZE],
        first=place is None,
        following=visit.link("/console/clients", at=following) if following else "",
    )
    return await visit.show(page, toast=visit.done(_DONE))


@routes.get("/console/clients/new", dependencies=_LIMITED)
async def ask(visit: AVisit, caller: Writer, resources: Resources, roles: TheRoles) -> Response:
    """Show the form."""
    return await visit.show(await _form(visit, caller, resources, roles))


@routes.post("/console/clients/new", dependencies=_LIMITED)
async def register(
    visit: AVisit, caller: Writer, clients: Clients, resources: Resources, roles: TheRoles
) -> Response:
    """Register a program, with a first secret, which is shown once."""
    actor, status = Actor(caller, visit.source), 422
    errors: dict[str, str] = {}
    try:
        client, text = await _create(visit, actor, clients)
    except ValidationError as fault:
        errors |= dict(_error_of(str(*one["loc"][:1])) for one in fault.errors())
    except InvalidInput as fault:
        errors |= dict(_error_of(one["pointer"].rpartition("/")[2]) for one in fault.errors)
    except Problem as refused:
        if refused.status not in {400, 403, 404, 409, 422}:
            raise
        errors[""], status = refusal(refused.code), refused.status
    else:
        return await _show(visit, clients, client.id, secret=text)
    return await visit.show(await _form(visit, caller, resources, roles, errors), status)


async def _create(
    visit: Visit, actor: Actor, clients: ClientAdministration
) -> tuple[RegisteredClient, str | None]:
    """Register what the form says, and return it with the text of its first secret, if it has one.

    Raises:
        ValidationError, Problem: something does not fit.
    """
    kind, chosen = _kind_in(visit), [one.partition(" ") for one in visit.fields.list_all("scope")]
    await _ensure_distinct(clients, {(resource, scope) for resource, _space, scope in chosen})
    has_secret = AuthMethod.NONE not in KINDS[kind].methods
    asked = ClientCreate.model_validate(
        {
            "name": visit.fields.line("name"),
            "kind": kind,
            "resources": list(dict.fromkeys(resource for resource, _space, _scope in chosen)),
            "scope": list(dict.fromkeys(scope for _resource, _space, scope in chosen)),
            "auth_method": visit.fields.get("method") if has_secret else AuthMethod.NONE,
            "redirect_uris": _lines(visit),
            "first_party": bool(visit.fields.get("first_party")),
        }
    )
    client = await clients.create(actor, asked.to_client())
    if not client.auth_method.has_secret:
        return client, None
    _secret, text = await clients.add_secret(actor, client.id, None)
    return client, text


async def _ensure_distinct(
    clients: ClientAdministration, ticked: Collection[tuple[str, str]]
) -> None:
    """Check that no ticked name is also a right of another ticked API, where it is not ticked.

    Threat: a program has its scopes at all of its APIs. Ticked at one, a name that another has,
    too, would be given there unseen, such as a permission of our own API.

    Raises:
        MixedRights: one is.
    """
    resources = (clients.resources.own, *await clients.resources.list_all(clients.db))
    named = {resource for resource, _ in ticked}
    for scope in {scope for _, scope in ticked}:
        for one in resources:
            has_it = one.identifier in named and scope in one.scopes
            if has_it and (one.identifier, scope) not in ticked:
                raise MixedRights


def _kind_in(visit: Visit) -> ClientKind:
    asked = visit.fields.get("kind") or visit.request.query_params.get("kind", "")
    return ClientKind(asked) if asked in set(ClientKind) else ClientKind.SERVICE


def _lines(visit: Visit) -> list[str]:
    return visit.fields.get("redirect_uris").split()


def _error_of(name: str) -> tuple[str, str]:
    """Return the sentence for a field that does not fit, by its name."""
    if name in _ERRORS:
        return name, gettext(_ERRORS[name])
    return "", refusal("invalid_input")


@routes.get("/console/clients/{id:uuid}", dependencies=_LIMITED)
async def show_client(
    client_id: ClientId, visit: AVisit, caller: Reader, clients: Clients
) -> Response:
    """Show a program."""
    return await _show(visit, clients, client_id)


@routes.post("/console/clients/{id:uuid}/secrets", dependencies=_LIMITED)
async def add_secret(
    client_id: ClientId, visit: AVisit, caller: Writer, clients: Clients
) -> Response:
    """Create a secret, and show it once."""
    days = choice_in(visit, "days", {"", *map(str, _DAYS)})
    ends = visit.clock.now() + timedelta(days=int(days)) if days else None
    try:
        _secret, text = await clients.add_secret(Actor(caller, visit.source), client_id, ends)
    except TooManySecrets:
        return visit.go(f"/console/clients/{client_id}", done="too_many")
    return await _show(visit, clients, client_id, secret=text)


@routes.post("/console/clients/{id:uuid}/secrets/{secret:uuid}/remove", dependencies=_LIMITED)
async def remove_secret(
    client_id: ClientId,
    secret_id: Annotated[UUID, Path(alias="secret")],
    visit: AVisit,
    caller: Writer,
    clients: Clients,
) -> Response:
    """Delete a secret; the program's tokens end."""
    try:
        await clients.remove_secret(Actor(caller, visit.source), client_id, secret_id)
    except SecretNotFound:
        return visit.go(f"/console/clients/{client_id}", done="gone")
    return visit.go(f"/console/clients/{client_id}", done="secret_removed")


@routes.post("/console/clients/{id:uuid}/places", dependencies=_LIMITED)
async def change_places(
    client_id: ClientId, visit: AVisit, caller: Writer, clients: Clients
) -> Response:
    """Change the places to which an app has its users sent."""
    change = ClientChange(redirect_uris=tuple(dict.fromkeys(_lines(visit))))
    try:
        await clients.change(Actor(caller, visit.source), client_id, change)
    except InvalidInput:
        errors = dict([_error_of("redirect_uris")])
        return await _show(visit, clients, client_id, errors=errors, status=422)
    return visit.go(f"/console/clients/{client_id}", done="places")


@routes.post("/console/clients/{id:uuid}/disabled", dependencies=_LIMITED)
async def disable(client_id: ClientId, visit: AVisit, caller: Writer, clients: Clients) -> Response:
    """Disable a program, or enable it again."""
    disabled = choice_in(visit, "disabled", {"yes", "no"}) == "yes"
    await clients.change(Actor(caller, visit.source), client_id, ClientChange(disabled=disabled))
    return visit.go(f"/console/clients/{client_id}", done="disabled" if disabled else "enabled")


@routes.post("/console/clients/{id:uuid}/delete", dependencies=_LIMITED)
async def delete(client_id: ClientId, visit: AVisit, caller: Writer, clients: Clients) -> Response:
    """Delete a program."""
    try:
        await clients.delete(Actor(caller, visit.source), client_id)
    except ClientNotFound:
        return visit.go("/console/clients", done="gone")
    return visit.go("/console/clients", done="deleted")


async def _show(
    visit: Visit,
    clients: ClientAdministration,
    client_id: UUID,
    *,
    secret: str | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    page = ClientPage(
        client=await clients.get(client_id),
        secrets=await clients.list_secrets(client_id),
        issuer=clients.resources.own.identifier,
        secret=secret,
        errors=errors or {},
    )
    return await visit.show(page, status, toast=visit.done(_DONE))


async def _form(
    visit: Visit,
    caller: User,
    resources: ResourceAdministration,
    roles: Roles,
    errors: Mapping[str, str] | None = None,
) -> NewClientPage:
    held = roles.permissions_of(caller)
    return NewClientPage(
        resources=await resources.list_all(),
        own=resources.resources.own.identifier,
        may=[one for one in Permission if one in held and one is not Permission.ACCOUNT_READ],
        kind=_kind_in(visit),
        name=visit.fields.line("name"),
        chosen=visit.fields.list_all("scope"),
        redirect_uris=visit.fields.get("redirect_uris"),
        first_party=bool(visit.fields.get("first_party")),
        method=visit.fields.get("method") or "client_secret_basic",
        errors=errors or {},
    )
