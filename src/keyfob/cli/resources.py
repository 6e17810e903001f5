"""`keyfob resources`: the APIs that tokens are for."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from keyfob.admin.resource_models import ResourceCreate, ResourceUpdate
from keyfob.administration.authority import Actor
from keyfob.administration.resources import ResourceAdministration
from keyfob.cli.clients import checked, given
from keyfob.cli.context import run_with_services
from keyfob.cli.output import AsJson, show_one, show_rows
from keyfob.clients.models import Resource
from keyfob.wiring import Wiring

app = typer.Typer(help="APIs that tokens are for.", no_args_is_help=True)

ResourceId = Annotated[UUID, typer.Argument(help="Its id, as `list` shows it.")]
Scopes = Annotated[list[str] | None, typer.Option("--scope", help="A scope; may be repeated.")]
Ttl = Annotated[
    int | None, typer.Option(help="The most seconds that tokens for it live; else the client's.")
]


def _administration(wiring: Wiring) -> ResourceAdministration:
    found: ResourceAdministration = wiring.services[ResourceAdministration]
    return found


def _row(resource: Resource) -> dict[str, Any]:
    return {
        "id": resource.id,
        "identifier": resource.identifier,
        "name": resource.name,
        "scopes": " ".join(sorted(resource.scopes)),
        "access_token_ttl": resource.access_token_ttl,
    }


@app.command("list")
def list_resources(as_json: AsJson = False) -> None:
    """List the APIs that tokens may be for, besides Keyfob's own.

    Examples:

        keyfob resources list
    """

    async def work(wiring: Wiring) -> Sequence[Resource]:
        return await _administration(wiring).list_all()

    show_rows([_row(resource) for resource in run_with_services(work)], as_json=as_json)


@app.command("create")
def create_resource(
    identifier: Annotated[str, typer.Argument(help="Its URI, which becomes `aud`.")],
    name: Annotated[str, typer.Option(help="A name for people.")],
    scope: Scopes = None,
    ttl: Ttl = None,
    as_json: AsJson = False,
) -> None:
    """Register an API. Descriptions of its scopes can be set by the admin API.

    Examples:

        keyfob resources create https://orders.example.com --name Orders --scope orders:read
    """
    asked = checked(
        ResourceCreate,
        identifier=identifier,
        name=name,
        scopes={one: {} for one in scope or []},
        access_token_ttl=ttl,
    )

    async def work(wiring: Wiring) -> Resource:
        return await _administration(wiring).create(Actor(None), asked.to_resource())

    made = run_with_services(work)
    show_one(_row(made), as_json=as_json, sentence=f"Registered {made.identifier} as {made.id}.")


@app.command("change")
def change_resource(
    resource_id: ResourceId,
    *,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    scope: Scopes = None,
    no_scope: Annotated[bool, typer.Option("--no-scope", help="No scope any more.")] = False,
    ttl: Ttl = None,
    as_json: AsJson = False,
) -> None:
    """Change an API. The scopes that are given replace those that it had; everything else stays.

    Examples:

        keyfob resources change RESOURCE_ID --scope orders:read --scope orders:list
    """
    if scope and no_scope:
        raise typer.BadParameter("choose one of --scope and --no-scope")
    if not (name or scope or no_scope or ttl):
        raise typer.BadParameter("say what to change")
    scopes: dict[str, dict[str, str]] | None = (
        {one: {} for one in scope or []} if scope or no_scope else None
    )
    asked = checked(ResourceUpdate, **given(name=name, scopes=scopes, access_token_ttl=ttl))

    def changed(before: Resource) -> Resource:
        after: Resource = asked.changed(before)
        told = before.scopes  # descriptions of scopes that stay
        return after._replace(scopes={one: told.get(one, {}) for one in after.scopes})

    async def work(wiring: Wiring) -> Resource:
        return await _administration(wiring).change(Actor(None), resource_id, changed)

    after = run_with_services(work)
    show_one(_row(after), as_json=as_json, sentence=f"Changed {after.identifier}.")


@app.command("delete")
def delete_resource(
    resource_id: ResourceId,
    as_json: AsJson = False,
) -> None:
    """Delete an API that no program has any more.

    Examples:

        keyfob resources delete 01a20320-a200-72ef-94f7-a47876d9b8cb
    """

    async def work(wiring: Wiring) -> None:
        await _administration(wiring).delete(Actor(None), resource_id)

    run_with_services(work)
    row = {"id": str(resource_id), "removed": True}
    show_one(row, as_json=as_json, sentence=f"Removed {resource_id}.")
