"""The form that registers a program."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import ValidationError
from starlette.responses import Response

from keyfob.admin.client_models import ClientCreate
from keyfob.administration.authority import Actor
from keyfob.administration.clients import ClientAdministration
from keyfob.administration.resources import ResourceAdministration
from keyfob.authority.models import Permission, User
from keyfob.authority.roles import Roles
from keyfob.clients.models import AuthMethod, ClientKind, Grant, RegisteredClient, Resource
from keyfob.clients.registration import KINDS
from keyfob.core.locales import gettext
from keyfob.core.problems import InvalidInput, Problem
from keyfob.web.console.client_fields import KINDS_IN_WORDS, PROFILES, error_of
from keyfob.web.console.clients import (
    LIMITED,
    Clients,
    Resources,
    TheRoles,
    Writer,
    lines_of,
    show_one,
)
from keyfob.web.parts.refusals import refusal
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

ACCOUNT = Permission.ACCOUNT_READ  # there is none of a service


class MixedRights(Problem):
    """A right was ticked at one API that another ticked API has by the same name."""

    status = 422
    code = "mixed_rights"
    title = "A right of that name belongs to another chosen API, too"


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
    jwks_uri: str = ""
    profile: str = ""
    redirect_uris: str = ""
    post_logout_redirect_uris: str = ""
    backchannel_logout_uri: str = ""
    first_party: bool = False
    require_par: bool = False
    dpop_bound: bool = False
    on_devices: bool = False
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
    def profiles(self) -> list[tuple[str, str]]:
        """The profiles, by value, in words."""
        return [(value, gettext(words)) for value, words in PROFILES.items()]

    @property
    def may_be_on_devices(self) -> bool:
        """Tell whether people may sign in by it on a device without a browser."""
        return Grant.DEVICE_CODE in KINDS[self.kind].grants

    @property
    def has_server(self) -> bool:
        """Tell whether it can hear of sign-outs."""
        return self.kind is ClientKind.WEB

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The kinds, by their name in the address, with words for people."""
        return [(kind.value, gettext(words)) for kind, words in KINDS_IN_WORDS.items()]


@routes.get("/console/clients/new", dependencies=LIMITED)
async def ask(visit: AVisit, caller: Writer, resources: Resources, roles: TheRoles) -> Response:
    """Show the form."""
    return await visit.show(await _form(visit, caller, resources, roles))


@routes.post("/console/clients/new", dependencies=LIMITED)
async def register(
    visit: AVisit, caller: Writer, clients: Clients, resources: Resources, roles: TheRoles
) -> Response:
    """Register a program, with a first secret, which is shown once."""
    actor, status = Actor(caller, visit.source), 422
    errors: dict[str, str] = {}
    try:
        client, text = await _create(visit, actor, clients)
    except ValidationError as fault:
        errors |= dict(error_of(str(*one["loc"][:1])) for one in fault.errors())
    except InvalidInput as fault:
        errors |= dict(error_of(one["pointer"].rpartition("/")[2]) for one in fault.errors)
    except Problem as refused:
        if refused.status not in {400, 403, 404, 409, 422}:
            raise
        errors[""], status = refusal(refused.code), refused.status
    else:
        return await show_one(visit, clients, client.id, secret=text)
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
    hears = visit.fields.line("backchannel_logout_uri")
    asked = ClientCreate.model_validate(
        {
            "name": visit.fields.line("name"),
            "kind": kind,
            "resources": list(dict.fromkeys(resource for resource, _space, _scope in chosen)),
            "scope": list(dict.fromkeys(scope for _resource, _space, scope in chosen)),
            "redirect_uris": lines_of(visit, "redirect_uris"),
            "post_logout_redirect_uris": lines_of(visit, "post_logout_redirect_uris"),
            "first_party": bool(visit.fields.get("first_party")),
            **_rules(visit, kind),
            **({"backchannel_logout_uri": hears} if hears else {}),
            **({"grants": _on_devices(visit, kind)} if visit.fields.get("on_devices") else {}),
        }
    )
    client = await clients.create(actor, asked.to_client())
    if not client.auth_method.has_secret:
        return client, None
    _secret, text = await clients.add_secret(actor, client.id, None)
    return client, text


def _rules(visit: Visit, kind: ClientKind) -> dict[str, Any]:
    """Return how it proves itself and asks; a profile says that, but for the keys."""
    uri, profile = visit.fields.line("jwks_uri"), visit.fields.get("profile")
    keys = {"jwks_uri": uri} if uri else {}
    if profile:
        return {"profile": profile, **keys}
    has_secret = AuthMethod.NONE not in KINDS[kind].methods
    return {
        "auth_method": visit.fields.get("method") if has_secret else AuthMethod.NONE,
        "require_par": bool(visit.fields.get("require_par")),
        "dpop_bound": bool(visit.fields.get("dpop_bound")),
        **keys,
    }


def _on_devices(visit: Visit, kind: ClientKind) -> list[Grant]:
    """Return the grants of an app for devices without a browser, which may have nothing else."""
    usual = [*KINDS[kind].default, Grant.DEVICE_CODE]
    returns = bool(lines_of(visit, "redirect_uris"))
    return [one for one in usual if returns or one is not Grant.AUTHORIZATION_CODE]


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


async def _form(
    visit: Visit,
    caller: User,
    resources: ResourceAdministration,
    roles: Roles,
    errors: Mapping[str, str] | None = None,
) -> NewClientPage:
    held, kind = roles.permissions_of(caller), _kind_in(visit)
    is_app = KINDS[kind].is_app
    return NewClientPage(
        resources=await resources.list_all(),
        own=resources.resources.own.identifier,
        may=[one for one in Permission if one in held and (is_app or one is not ACCOUNT)],
        kind=kind,
        name=visit.fields.line("name"),
        chosen=visit.fields.list_all("scope"),
        redirect_uris=visit.fields.get("redirect_uris"),
        post_logout_redirect_uris=visit.fields.get("post_logout_redirect_uris"),
        backchannel_logout_uri=visit.fields.line("backchannel_logout_uri"),
        first_party=bool(visit.fields.get("first_party")),
        require_par=bool(visit.fields.get("require_par")),
        dpop_bound=bool(visit.fields.get("dpop_bound")),
        on_devices=bool(visit.fields.get("on_devices")),
        method=visit.fields.get("method") or "client_secret_basic",
        jwks_uri=visit.fields.line("jwks_uri"),
        profile=visit.fields.get("profile"),
        errors=errors or {},
    )
