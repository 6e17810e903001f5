"""`keyfob clients` and `keyfob resources`: administration without the API."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError

from keyfob.admin.client_models import ClientCreate, ResourceCreate
from keyfob.administration.authority import Actor
from keyfob.administration.clients import ClientAdministration
from keyfob.cli.context import run_with_services
from keyfob.cli.output import AsJson, show_one, show_rows
from keyfob.cli.refusal import Refused
from keyfob.clients.models import ClientChange, RegisteredClient, Resource
from keyfob.wiring import Wiring

clients_app = typer.Typer(help="Programs that get tokens.", no_args_is_help=True)
resources_app = typer.Typer(help="APIs that tokens are for.", no_args_is_help=True)

ClientId = Annotated[UUID, typer.Argument(help="The `client_id`.")]
_MOST = 1000


def _administration(wiring: Wiring) -> ClientAdministration:
    found: ClientAdministration = wiring.services[ClientAdministration]
    return found


def _checked(model: type[Any], **given: Any) -> Any:
    try:
        return model(**given)
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(f"{place}: {first['msg']}" if place else first["msg"]) from None


def _row(client: RegisteredClient) -> dict[str, Any]:
    return {
        "id": client.id,
        "name": client.name,
        "scope": " ".join(client.scope),
        "resources": " ".join(client.resources),
        "auth_method": client.auth_method.value,
        "disabled": client.disabled_at is not None,
    }


@clients_app.command("list")
def list_clients(as_json: AsJson = False) -> None:
    """List the registered programs, oldest first.

    Examples:

        keyfob clients list --json | jq -r '.[].id'
    """

    async def work(wiring: Wiring) -> list[RegisteredClient]:
        return await _administration(wiring).list_page(None, _MOST)

    show_rows([_row(client) for client in run_with_services(work)], as_json=as_json)


@clients_app.command("create")
def create_client(
    name: Annotated[str, typer.Argument(help="A name for people.")],
    resource: Annotated[
        list[str] | None, typer.Option(help="An API that its tokens may be for; may be repeated.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope that it may ask for; may be repeated.")
    ] = None,
    ttl: Annotated[int, typer.Option(help="Seconds that its tokens live.")] = 300,
    as_json: AsJson = False,
) -> None:
    """Register a service account, and print its secret.

    Examples:

        keyfob clients create Reports --resource https://orders.example.com --scope orders:read
    """
    asked = _checked(
        ClientCreate,
        name=name,
        resources=resource or [],
        scope=scope or [],
        access_token_ttl=ttl,
    )

    async def work(wiring: Wiring) -> tuple[RegisteredClient, str]:
        administration = _administration(wiring)
        client = await administration.create(Actor(None), asked.to_client())
        _, text = await administration.add_secret(Actor(None), client.id, None)
        return client, text

    client, text = run_with_services(work)
    row = {**_row(client), "id": str(client.id), "client_secret": text}
    sentence = f"Registered {client.name} as {client.id}. Secret, shown this once: {text}"
    show_one(row, as_json=as_json, sentence=sentence)


@clients_app.command("add-secret")
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


@clients_app.command("secrets")
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


@clients_app.command("remove-secret")
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


def _set_disabled(client_id: UUID, *, disabled: bool) -> None:
    async def work(wiring: Wiring) -> None:
        change = ClientChange(disabled=disabled)
        await _administration(wiring).change(Actor(None), client_id, change)

    run_with_services(work)


@clients_app.command("disable")
def disable_client(client_id: ClientId, as_json: AsJson = False) -> None:
    """Disable a program: it gets no more tokens, and those that it has end.

    Examples:

        keyfob clients disable 01a20320-a200-72ef-94f7-a47876d9b8cb
    """
    _set_disabled(client_id, disabled=True)
    row = {"id": str(client_id), "disabled": True}
    show_one(row, as_json=as_json, sentence=f"Disabled {client_id}.")


@clients_app.command("enable")
def enable_client(client_id: ClientId, as_json: AsJson = False) -> None:
    """Enable a program that was disabled, so that it gets tokens again.

    Examples:

        keyfob clients enable 01a20320-a200-72ef-94f7-a47876d9b8cb
    """
    _set_disabled(client_id, disabled=False)
    row = {"id": str(client_id), "disabled": False}
    show_one(row, as_json=as_json, sentence=f"Enabled {client_id}.")


@clients_app.command("delete")
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


@resources_app.command("list")
def list_resources(as_json: AsJson = False) -> None:
    """List the APIs that tokens may be for, besides Keyfob's own.

    Examples:

        keyfob resources list
    """

    async def work(wiring: Wiring) -> list[dict[str, Any]]:
        found = await _administration(wiring).list_resources()
        return [
            {
                "id": resource.id,
                "identifier": resource.identifier,
                "name": resource.name,
                "scopes": " ".join(sorted(resource.scopes)),
            }
            for resource in found
        ]

    show_rows(run_with_services(work), as_json=as_json)


@resources_app.command("create")
def create_resource(
    identifier: Annotated[str, typer.Argument(help="Its URI, which becomes `aud`.")],
    name: Annotated[str, typer.Option(help="A name for people.")],
    scope: Annotated[list[str] | None, typer.Option(help="A scope; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Register an API. Descriptions of its scopes can be set by the admin API.

    Examples:

        keyfob resources create https://orders.example.com --name Orders --scope orders:read
    """
    asked = _checked(
        ResourceCreate,
        identifier=identifier,
        name=name,
        scopes={one: {} for one in scope or []},
    )

    async def work(wiring: Wiring) -> Resource:
        return await _administration(wiring).create_resource(Actor(None), asked.to_resource())

    made = run_with_services(work)
    row = {"id": str(made.id), "identifier": made.identifier, "name": made.name}
    show_one(row, as_json=as_json, sentence=f"Registered {made.identifier} as {made.id}.")


@resources_app.command("delete")
def delete_resource(
    resource_id: Annotated[UUID, typer.Argument(help="Its id, as `list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Delete an API: no more tokens are issued for it.

    Examples:

        keyfob resources delete 01a20320-a200-72ef-94f7-a47876d9b8cb
    """

    async def work(wiring: Wiring) -> None:
        await _administration(wiring).delete_resource(Actor(None), resource_id)

    run_with_services(work)
    row = {"id": str(resource_id), "removed": True}
    show_one(row, as_json=as_json, sentence=f"Removed {resource_id}.")
