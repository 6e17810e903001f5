"""`keyfob clients`: programs that get tokens."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError

from keyfob.admin.client_models import ClientCreate, ClientUpdate
from keyfob.administration.authority import Actor
from keyfob.administration.clients import ClientAdministration
from keyfob.cli.client_options import (
    AfterLogout,
    ClientId,
    DpopBound,
    FirstParty,
    GrantOptions,
    IdTokenAlg,
    JwksFile,
    JwksUri,
    LogoutSession,
    LogoutUri,
    Method,
    RedirectUris,
    RequirePar,
    RequirePkce,
    RequireSigned,
    ResourceOptions,
    RotateRefresh,
    ScopeOptions,
    TheProfile,
)
from keyfob.cli.context import run_with_services
from keyfob.cli.output import AsJson, show_one, show_rows
from keyfob.cli.refusal import Refused
from keyfob.clients.models import (
    ClientChange,
    ClientKind,
    RegisteredClient,
)
from keyfob.wiring import Wiring

app = typer.Typer(help="Programs that get tokens.", no_args_is_help=True)


_MOST = 1000
# The options that change a field, and the names of the fields in the admin API.
_FIELDS = {
    "redirect_uri": "redirect_uris",
    "after_logout": "post_logout_redirect_uris",
    "logout_uri": "backchannel_logout_uri",
    "logout_session": "backchannel_logout_session_required",
    "resource": "resources",
    "grant": "grants",
    "method": "auth_method",
    "ttl": "access_token_ttl",
    **{
        name: name
        for name in (
            *("name", "scope", "jwks_uri", "dpop_bound", "profile", "first_party"),
            *("require_par", "require_signed_request", "rotate_refresh", "require_pkce"),
            "id_token_alg",
        )
    },
}


def _administration(wiring: Wiring) -> ClientAdministration:
    found: ClientAdministration = wiring.services[ClientAdministration]
    return found


def checked(model: type[Any], **given: Any) -> Any:
    """Return a body of the admin API with these fields.

    Raises:
        Refused: one of them does not fit.
    """
    try:
        return model(**given)
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(f"{place}: {first['msg']}" if place else first["msg"]) from None


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given; None stands for those that were not."""
    return {name: value for name, value in options.items() if value is not None}


def _read_jwks(file: Path | None) -> Any:
    if file is None:
        return None
    try:
        return json.loads(file.read_bytes())
    except ValueError:
        raise Refused(f"{file}: is not JSON") from None


def _row(client: RegisteredClient) -> dict[str, Any]:
    return {
        "id": client.id,
        "name": client.name,
        "kind": client.kind.value,
        "redirect_uris": " ".join(client.redirect_uris),
        "scope": " ".join(client.scope),
        "resources": " ".join(client.resources),
        "grants": " ".join(client.grants),
        "auth_method": client.auth_method.value,
        "access_token_ttl": client.access_token_ttl,
        "dpop_bound": client.dpop_bound,
        "profile": client.profile and client.profile.value,
        "disabled": client.disabled_at is not None,
        "registered_by": client.registered_by.value,
    }


@app.command("list")
def list_clients(as_json: AsJson = False) -> None:
    """List the registered programs, oldest first.

    Examples:

        keyfob clients list --json | jq -r '.[].id'
    """

    async def work(wiring: Wiring) -> list[RegisteredClient]:
        return await _administration(wiring).list_page(None, _MOST)

    show_rows([_row(client) for client in run_with_services(work)], as_json=as_json)


@app.command("create")
def create_client(
    name: Annotated[str, typer.Argument(help="A name for people.")],
    *,
    kind: Annotated[ClientKind, typer.Option(help="What it is.")] = ClientKind.SERVICE,
    redirect_uri: RedirectUris = None,
    first_party: FirstParty = None,
    after_logout: AfterLogout = None,
    logout_uri: LogoutUri = None,
    require_par: RequirePar = None,
    require_signed_request: RequireSigned = None,
    rotate_refresh: RotateRefresh = None,
    require_pkce: RequirePkce = None,
    id_token_alg: IdTokenAlg = None,
    logout_session: LogoutSession = None,
    resource: ResourceOptions = None,
    scope: ScopeOptions = None,
    grant: GrantOptions = None,
    ttl: Annotated[int, typer.Option(help="Seconds that its tokens live.")] = 300,
    method: Method = None,
    jwks: JwksFile = None,
    jwks_uri: JwksUri = None,
    dpop_bound: DpopBound = None,
    profile: TheProfile = None,
    as_json: AsJson = False,
) -> None:
    """Register a program, and print its secret, if it has one.

    A service account gets tokens of its own. By the other kinds people sign in: web has a server
    that keeps a secret, browser and native (mobile, desktop, command line) have none.

    Examples:

        keyfob clients create Grafana --kind web --redirect-uri https://grafana.example.com/login/generic_oauth

        keyfob clients create Reports --resource https://orders.example.com --scope orders:read

        keyfob clients create Reports --method private_key_jwt --jwks public-keys.json

        keyfob clients create Bank --kind web --profile fapi2 --jwks keys.json --redirect-uri URL
    """
    fields = _fields(locals()) | given(jwks=_read_jwks(jwks))
    asked = checked(ClientCreate, kind=kind, **fields)

    async def work(wiring: Wiring) -> tuple[RegisteredClient, str | None]:
        administration = _administration(wiring)
        client = await administration.create(Actor(None), asked.to_client())
        if not client.auth_method.has_secret:
            return client, None
        _, text = await administration.add_secret(Actor(None), client.id, None)
        return client, text

    client, text = run_with_services(work)
    row = {**_row(client), **given(client_secret=text)}
    told = f" Secret, shown this once: {text}" if text else ""
    show_one(row, as_json=as_json, sentence=f"Registered {client.name} as {client.id}.{told}")


@app.command("change")
def change_client(
    client_id: ClientId,
    *,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    redirect_uri: RedirectUris = None,
    first_party: FirstParty = None,
    after_logout: AfterLogout = None,
    logout_uri: LogoutUri = None,
    no_logout_uri: Annotated[
        bool, typer.Option("--no-backchannel-logout-uri", help="It hears of no sign-outs any more.")
    ] = False,
    require_par: RequirePar = None,
    require_signed_request: RequireSigned = None,
    rotate_refresh: RotateRefresh = None,
    require_pkce: RequirePkce = None,
    id_token_alg: IdTokenAlg = None,
    logout_session: LogoutSession = None,
    resource: ResourceOptions = None,
    no_resource: Annotated[bool, typer.Option("--no-resource", help="No API any more.")] = False,
    scope: ScopeOptions = None,
    no_scope: Annotated[bool, typer.Option("--no-scope", help="No scope any more.")] = False,
    grant: GrantOptions = None,
    ttl: Annotated[int | None, typer.Option(help="Seconds that its tokens live.")] = None,
    method: Method = None,
    jwks: JwksFile = None,
    jwks_uri: JwksUri = None,
    dpop_bound: DpopBound = None,
    profile: TheProfile = None,
    no_profile: Annotated[
        bool, typer.Option("--no-profile", help="It keeps the rules of no profile any more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Change a program. What is given replaces what it had; everything else stays.

    Its access tokens end, except after a change of its name or of their lifetime alone.

    Examples:

        keyfob clients change CLIENT_ID --scope orders:read --scope orders:write

        keyfob clients change CLIENT_ID --name Reports --ttl 600
    """
    _ensure_one(
        (resource, no_resource, "resource"),
        (scope, no_scope, "scope"),
        (logout_uri, no_logout_uri, "backchannel-logout-uri"),
        (profile, no_profile, "profile"),
    )
    changes = _fields(locals()) | given(jwks=_read_jwks(jwks))
    changes |= {
        name: [] for name, none in (("resources", no_resource), ("scope", no_scope)) if none
    }
    changes |= _nothing(profile=no_profile, backchannel_logout_uri=no_logout_uri)
    if not changes:
        raise typer.BadParameter("say what to change")
    _change(client_id, checked(ClientUpdate, **changes).to_change(), "Changed", as_json=as_json)


def _ensure_one(*options: tuple[object, bool, str]) -> None:
    """Check that nothing is both given and taken away."""
    for wanted, none, option in options:
        if wanted and none:
            raise typer.BadParameter(f"choose one of --{option} and --no-{option}")


def _fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what options say, by the names of the fields in the admin API."""
    return {field: options[name] for name, field in _FIELDS.items() if options[name] is not None}


def _nothing(**taken: bool) -> dict[str, None]:
    """Return the fields that are taken away."""
    return {name: None for name, is_taken in taken.items() if is_taken}


def _change(client_id: UUID, change: ClientChange, verb: str, *, as_json: bool) -> None:
    async def work(wiring: Wiring) -> tuple[RegisteredClient, bool]:
        administration = _administration(wiring)
        before = await administration.get(client_id)
        after = await administration.change(Actor(None), client_id, change)
        return after, after.generation > before.generation

    client, revoked = run_with_services(work)
    told = " Its access tokens have ended." if revoked else ""
    show_one(_row(client), as_json=as_json, sentence=f"{verb} {client.name}.{told}")


@app.command("add-secret")
def add_secret(
    client_id: ClientId,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it ends.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create another secret for a program, and print it. Two are valid at a time.

    Examples:

        keyfob clients add-secret 01a20320-a200-72ef-94f7-a47876d9b8cb --days 90
    """

    async def work(wiring: Wiring) -> tuple[UUID, str]:
        administration = _administration(wiring)
        ends = administration.clock.now() + timedelta(days=days) if days else None
        secret, text = await administration.add_secret(Actor(None), client_id, ends)
        return secret.id, text

    secret_id, text = run_with_services(work)
    row = {"id": str(secret_id), "client_secret": text}
    show_one(row, as_json=as_json, sentence=f"Secret {secret_id}, shown this once: {text}")


@app.command("secrets")
def list_secrets(client_id: ClientId, as_json: AsJson = False) -> None:
    """List the secrets of a program: when they were created and last used.

    Examples:

        keyfob clients secrets 01a20320-a200-72ef-94f7-a47876d9b8cb
    """

    async def work(wiring: Wiring) -> list[dict[str, Any]]:
        columns = ("id", "created_at", "expires_at", "last_used_at")
        found = await _administration(wiring).list_secrets(client_id)
        return [{column: getattr(secret, column) for column in columns} for secret in found]

    show_rows(run_with_services(work), as_json=as_json)


@app.command("remove-secret")
def remove_secret(
    client_id: ClientId,
    secret_id: Annotated[UUID, typer.Argument(help="The secret's id, as `secrets` lists it.")],
    as_json: AsJson = False,
) -> None:
    """Delete a secret of a program; all its access tokens end.

    Examples:

        keyfob clients remove-secret CLIENT_ID SECRET_ID
    """

    async def work(wiring: Wiring) -> None:
        await _administration(wiring).remove_secret(Actor(None), client_id, secret_id)

    run_with_services(work)
    row = {"id": str(secret_id), "removed": True}
    show_one(row, as_json=as_json, sentence=f"Removed the secret {secret_id}.")


@app.command("disable")
def disable_client(client_id: ClientId, as_json: AsJson = False) -> None:
    """Disable a program: it gets no more tokens, and those that it has end.

    Examples:

        keyfob clients disable 01a20320-a200-72ef-94f7-a47876d9b8cb
    """
    _change(client_id, ClientChange(disabled=True), "Disabled", as_json=as_json)


@app.command("enable")
def enable_client(client_id: ClientId, as_json: AsJson = False) -> None:
    """Enable a program that was disabled, so that it gets tokens again.

    Examples:

        keyfob clients enable 01a20320-a200-72ef-94f7-a47876d9b8cb
    """
    _change(client_id, ClientChange(disabled=False), "Enabled", as_json=as_json)


@app.command("delete")
def delete_client(client_id: ClientId, as_json: AsJson = False) -> None:
    """Delete a program with its secrets; its access tokens end.

    Examples:

        keyfob clients delete 01a20320-a200-72ef-94f7-a47876d9b8cb
    """

    async def work(wiring: Wiring) -> None:
        await _administration(wiring).delete(Actor(None), client_id)

    run_with_services(work)
    row = {"id": str(client_id), "removed": True}
    show_one(row, as_json=as_json, sentence=f"Removed {client_id}.")
