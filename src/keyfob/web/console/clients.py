"""Programs: the list, one program with its secrets, and the form that registers one."""

from collections.abc import Mapping, Sequence
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
from keyfob.clients.models import ClientChange, ClientSecret, RegisteredClient, Resource
from keyfob.core.http import Provided
from keyfob.core.locales import N_, _, ngettext
from keyfob.core.pagination import Cursors
from keyfob.core.problems import Problem
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
_LIMITED = [Depends(limited("admin", by="caller"))]
_LIST, _SIZE = "console clients", 50
_DAYS = (30, 90, 365)

_DONE: Mapping[str, str] = {
    "disabled": N_("The program is disabled: all its tokens have ended."),
    "enabled": N_("The program may ask for tokens again."),
    "secret_removed": N_("The secret is deleted, and the tokens of the program have ended."),
    "deleted": N_("The program is deleted, with its secrets and tokens."),
    "too_many": N_("The program has two secrets. Remove one first."),
    "gone": N_("It was gone already."),
}


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
    name: str = ""
    chosen: Sequence[str] = ()
    method: str = "client_secret_basic"
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ClientPage:
    """One program. `secret` is the text of a new secret, shown once."""

    template: ClassVar[str] = "console/client.html"

    client: RegisteredClient
    secrets: Sequence[ClientSecret]
    secret: str | None = None

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
    actor, errors, status = Actor(caller, visit.source), {}, 422
    chosen = [one.partition(" ") for one in visit.fields.list_all("scope")]
    try:
        asked = ClientCreate(
            name=visit.fields.line("name"),
            resources=list(dict.fromkeys(resource for resource, _space, _scope in chosen)),
            scope=list(dict.fromkeys(scope for _resource, _space, scope in chosen)),
            auth_method=visit.fields.get("method"),
        )
        client = await clients.create(actor, asked.to_client())
        _secret, text = await clients.add_secret(actor, client.id, None)
    except ValidationError:
        errors["name"] = _("Type a name of up to 200 characters.")
    except Problem as refused:
        if refused.status not in {400, 403, 404, 409, 422}:
            raise
        errors[""], status = refusal(refused.code), refused.status
    else:
        return await _show(visit, clients, client.id, secret=text)
    return await visit.show(await _form(visit, caller, resources, roles, errors), status)


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
    visit: Visit, clients: ClientAdministration, client_id: UUID, *, secret: str | None = None
) -> Response:
    page = ClientPage(
        client=await clients.get(client_id),
        secrets=await clients.list_secrets(client_id),
        secret=secret,
    )
    return await visit.show(page, toast=visit.done(_DONE))


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
        name=visit.fields.line("name"),
        chosen=visit.fields.list_all("scope"),
        method=visit.fields.get("method") or "client_secret_basic",
        errors=errors or {},
    )
