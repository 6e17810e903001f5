"""Programs: the list, and one program with its secrets."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Depends, Path
from starlette.responses import Response

from keyfob.administration.authority import Actor
from keyfob.administration.clients import ClientAdministration
from keyfob.administration.errors import ClientNotFound, SecretNotFound, TooManySecrets
from keyfob.administration.resources import ResourceAdministration
from keyfob.authority.models import Permission, User
from keyfob.authority.requiring import require
from keyfob.authority.roles import Roles
from keyfob.clients.models import (
    ClientChange,
    ClientSecret,
    IdTokenAlgorithm,
    RegisteredClient,
    Registrar,
)
from keyfob.core.http import Provided
from keyfob.core.locales import N_, gettext, ngettext
from keyfob.core.pagination import Cursors
from keyfob.core.problems import InvalidInput
from keyfob.limits.requests import limited
from keyfob.web.console.choices import choice_in, is_as_seen, seen_in
from keyfob.web.console.client_fields import (
    KINDS_IN_WORDS,
    PROFILES,
    TICKED,
    error_of,
    held_by_profile,
    rules_of,
)
from keyfob.web.console.reading import place_in
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
LIMITED = [Depends(limited("admin", by="caller")), require(Permission.CLIENTS_READ)]
_LIST, _SIZE = "console clients", 50
_DAYS = (30, 90, 365)
_FIELDS = ("redirect_uris", "post_logout_redirect_uris", "backchannel_logout_uri")
_TYPED = (*_FIELDS, *(f"seen_{name}" for name in _FIELDS))

_DONE: Mapping[str, str] = {
    "disabled": N_("The program is disabled: all its tokens have ended."),
    "enabled": N_("The program may ask for tokens again."),
    "secret_removed": N_("The secret is deleted, and the tokens of the program have ended."),
    "deleted": N_("The program is deleted, with its secrets and tokens."),
    "places": N_("The places to return to are changed."),
    "rules": N_("How the program proves itself, and asks, is changed."),
    "sign_outs": N_("What happens at a sign-out is changed."),
}
_NOT_DONE: Mapping[str, str] = {
    "too_many": N_("The program has two secrets. Remove one first."),
    "gone": N_("It was gone already."),
}


_REGISTRARS: Mapping[Registrar, str] = {
    Registrar.ADMINISTRATOR: N_("an administrator"),
    Registrar.ITSELF: N_("itself"),
    Registrar.DOCUMENT: N_("its own document"),
}


def _registrar(client: RegisteredClient) -> str:
    return gettext(_REGISTRARS[client.registered_by])


@dataclass(frozen=True, kw_only=True)
class ClientsPage:
    """The registered programs, oldest first; `following` is the link to the next page."""

    template: ClassVar[str] = "console/clients.html"

    clients: Sequence[RegisteredClient]
    first: bool
    following: str
    registrar: ClassVar[Callable[[RegisteredClient], str]] = staticmethod(_registrar)


@dataclass(frozen=True, kw_only=True)
class ClientPage:
    """One program. `secret` is the text of a new secret, shown once.

    `typed` is what a form had that was refused, by field.
    """

    template: ClassVar[str] = "console/client.html"
    registrar: ClassVar[Callable[[RegisteredClient], str]] = staticmethod(_registrar)

    client: RegisteredClient
    secrets: Sequence[ClientSecret]
    issuer: str
    secret: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    held: Collection[str] = ()

    @property
    def fields(self) -> dict[str, str]:
        """The values of the fields that can be changed, and what they were before."""
        client = self.client
        known = {
            "redirect_uris": "\n".join(client.redirect_uris),
            "post_logout_redirect_uris": "\n".join(client.post_logout_redirect_uris),
            "backchannel_logout_uri": client.backchannel_logout_uri or "",
        }
        return {**known, **{f"seen_{name}": text for name, text in known.items()}, **self.typed}

    @property
    def was(self) -> Mapping[str, str]:
        """The present values of its rules."""
        return rules_of(self.client)

    @property
    def ticks(self) -> list[tuple[str, str, str]]:
        """The fields to tick that the program has, with words and a hint."""
        return [
            (name, gettext(words), gettext(hint))
            for name, (words, hint) in TICKED.items()
            if name in self.rules and name not in self.held
        ]

    @property
    def algorithms(self) -> list[tuple[str, str]]:
        """The algorithms of ID tokens."""
        return [(one.value, one.value) for one in IdTokenAlgorithm]

    @property
    def profiles(self) -> list[tuple[str, str]]:
        """The profiles, by value, in words."""
        return [(value, gettext(words)) for value, words in PROFILES.items()]

    @property
    def kind(self) -> str:
        """The kind of program, in words."""
        return gettext(KINDS_IN_WORDS[self.client.kind])

    @property
    def choices(self) -> list[tuple[str, str]]:
        """The lengths of time for which a secret may be valid."""
        return [
            (str(days), ngettext("%(num)s day", "%(num)s days", days) % {"num": days})
            for days in _DAYS
        ]


@routes.get("/console/clients", dependencies=LIMITED)
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
    return await visit.show(page, toast=visit.done(_DONE), not_done=visit.done(_NOT_DONE))


def lines_of(visit: Visit, name: str) -> list[str]:
    """Return the addresses of a field, one on each line, each once."""
    return list(dict.fromkeys(visit.fields.get(name).split()))


@routes.get("/console/clients/{id:uuid}", dependencies=LIMITED)
async def show_client(
    client_id: ClientId, visit: AVisit, caller: Reader, clients: Clients
) -> Response:
    """Show a program."""
    return await show_one(visit, clients, client_id)


@routes.post("/console/clients/{id:uuid}/secrets", dependencies=LIMITED)
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
    return await show_one(visit, clients, client_id, secret=text)


@routes.post("/console/clients/{id:uuid}/secrets/{secret:uuid}/remove", dependencies=LIMITED)
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


@routes.post("/console/clients/{id:uuid}/places", dependencies=LIMITED)
async def change_places(
    client_id: ClientId, visit: AVisit, caller: Writer, clients: Clients
) -> Response:
    """Change the places to which an app has its users sent."""
    change = ClientChange(redirect_uris=tuple(lines_of(visit, "redirect_uris")))
    seen = seen_in(visit, "redirect_uris")
    return await _change(visit, caller, clients, client_id, change, seen=seen, done="places")


@routes.post("/console/clients/{id:uuid}/sign-outs", dependencies=LIMITED)
async def change_sign_outs(
    client_id: ClientId, visit: AVisit, caller: Writer, clients: Clients
) -> Response:
    """Change where an app's users return to after a sign-out, and where it hears of one."""
    change = ClientChange(
        post_logout_redirect_uris=tuple(lines_of(visit, "post_logout_redirect_uris")),
        changes_logout_uri=not is_as_seen(visit, "backchannel_logout_uri"),
        backchannel_logout_uri=visit.fields.line("backchannel_logout_uri") or None,
    )
    seen = seen_in(visit, "post_logout_redirect_uris")
    return await _change(visit, caller, clients, client_id, change, seen=seen, done="sign_outs")


async def _change(
    visit: Visit,
    caller: User,
    clients: ClientAdministration,
    client_id: UUID,
    change: ClientChange,
    *,
    seen: Sequence[str] | None,
    done: str,
) -> Response:
    try:
        await clients.change(Actor(caller, visit.source), client_id, change, seen=seen)
    except InvalidInput as fault:
        errors = dict(error_of(one["pointer"].rpartition("/")[2]) for one in fault.errors)
        return await show_one(visit, clients, client_id, errors=errors)
    return visit.go(f"/console/clients/{client_id}", done=done)


@routes.post("/console/clients/{id:uuid}/disabled", dependencies=LIMITED)
async def disable(client_id: ClientId, visit: AVisit, caller: Writer, clients: Clients) -> Response:
    """Disable a program, or enable it again."""
    disabled = choice_in(visit, "disabled", {"yes", "no"}) == "yes"
    await clients.change(Actor(caller, visit.source), client_id, ClientChange(disabled=disabled))
    return visit.go(f"/console/clients/{client_id}", done="disabled" if disabled else "enabled")


@routes.post("/console/clients/{id:uuid}/delete", dependencies=LIMITED)
async def delete(client_id: ClientId, visit: AVisit, caller: Writer, clients: Clients) -> Response:
    """Delete a program."""
    try:
        await clients.delete(Actor(caller, visit.source), client_id)
    except ClientNotFound:
        return visit.go("/console/clients", done="gone")
    return visit.go("/console/clients", done="deleted")


async def show_one(
    visit: Visit,
    clients: ClientAdministration,
    client_id: UUID,
    *,
    secret: str | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    """Show a program, with the text of a new secret or with what does not fit."""
    client = await clients.get(client_id)
    rules, held = rules_of(client), held_by_profile(client, client.profile)
    if "seen_access_token_ttl" in visit.fields:
        offered = held_by_profile(client, visit.fields.line("seen_profile"))
        rules |= {name: visit.fields.line(name) for name in rules.keys() - offered}
    page = ClientPage(
        client=client,
        rules=rules,
        held=held,
        secrets=await clients.list_secrets(client_id),
        issuer=clients.resources.own.identifier,
        secret=secret,
        errors=errors or {},
        typed={name: visit.fields.get(name) for name in _TYPED if visit.fields.get(name)},
    )
    done, not_done = visit.done(_DONE), visit.done(_NOT_DONE)
    return await visit.show(page, 422 if errors else 200, toast=done, not_done=not_done)
