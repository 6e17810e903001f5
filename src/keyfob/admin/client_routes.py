"""Clients, their secrets and resources, for administrators."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Response
from starlette.requests import Request

from keyfob.admin.client_models import (
    ClientCreate,
    ClientOut,
    ClientUpdate,
    NewSecretOut,
    SecretCreate,
    SecretOut,
)
from keyfob.admin.resource_models import ResourceCreate, ResourceOut, ResourceUpdate
from keyfob.administration.authority import Actor
from keyfob.administration.clients import ClientAdministration
from keyfob.administration.errors import (
    ClientNotFound,
    ResourceInUse,
    ResourceTaken,
    SecretNotFound,
    TooManySecrets,
    UnknownResource,
)
from keyfob.administration.resources import ResourceAdministration
from keyfob.authority.models import Permission, Subject
from keyfob.authority.requiring import require
from keyfob.clients.errors import UnknownScope
from keyfob.core.http import Provided, may_refuse, router
from keyfob.core.http.pages import AskedPage, public_path
from keyfob.core.problems import InsufficientAuthentication, NotFound
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited

routes = router("Administration", prefix="/admin")

_LIMITED = [Depends(limited("admin", by="caller"))]
_MADE: dict[int | str, Any] = {201: {"headers": {"Location": {"schema": {"type": "string"}}}}}

Reader = Annotated[Subject, require(Permission.CLIENTS_READ, programs=True)]
Writer = Annotated[Subject, require(Permission.CLIENTS_WRITE, programs=True)]
Service = Annotated[ClientAdministration, Provided(ClientAdministration)]
ResourceService = Annotated[ResourceAdministration, Provided(ResourceAdministration)]
Id = Annotated[UUID, Path(alias="id")]


@routes.get("/clients", dependencies=_LIMITED)
async def list_clients(_: Reader, clients: Service, page: AskedPage) -> list[ClientOut]:
    """List the registered programs, oldest first."""
    after = page.start("clients")
    found = await clients.list_page(UUID(after[0]) if after else None, page.to_read)
    shown = page.cut("clients", found, lambda client: [str(client.id)])
    return [ClientOut.of(client) for client in shown]


@routes.post(
    "/clients",
    status_code=201,
    dependencies=_LIMITED,
    responses={
        **may_refuse(InsufficientAuthentication, UnknownResource, UnknownScope),
        **_MADE,
    },
)
async def create_client(
    request: Request,
    response: Response,
    body: ClientCreate,
    caller: Writer,
    source: RequestSource,
    clients: Service,
) -> ClientOut:
    """Register a program. Create a secret for it next, unless it signs with a key of its own.

    The caller needs a recent sign-in, as for every change of clients; programs with the permission
    do not. Permissions in `scope` must be the caller's own.
    """
    client = await clients.create(Actor(caller, source), body.to_client())
    response.headers["Location"] = f"{public_path(request)}/{client.id}"
    return ClientOut.of(client)


@routes.get("/clients/{id}", dependencies=_LIMITED, responses=may_refuse(ClientNotFound))
async def read_client(client_id: Id, _: Reader, clients: Service) -> ClientOut:
    """Read a registered program."""
    return ClientOut.of(await clients.get(client_id))


@routes.patch(
    "/clients/{id}",
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, ClientNotFound, UnknownResource, UnknownScope),
)
async def change_client(
    client_id: Id, body: ClientUpdate, caller: Writer, source: RequestSource, clients: Service
) -> ClientOut:
    """Change a program. If it is disabled or may do less, all its access tokens end."""
    return ClientOut.of(await clients.change(Actor(caller, source), client_id, body.to_change()))


@routes.delete(
    "/clients/{id}",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, ClientNotFound),
)
async def delete_client(
    client_id: Id, caller: Writer, source: RequestSource, clients: Service
) -> None:
    """Delete a program, with its secrets and access tokens."""
    await clients.delete(Actor(caller, source), client_id)


@routes.get("/clients/{id}/secrets", dependencies=_LIMITED, responses=may_refuse(ClientNotFound))
async def list_secrets(client_id: Id, _: Reader, clients: Service) -> list[SecretOut]:
    """List the valid secrets of a program: when they were created and last used."""
    return [SecretOut.of(secret) for secret in await clients.list_secrets(client_id)]


@routes.post(
    "/clients/{id}/secrets",
    status_code=201,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, ClientNotFound, TooManySecrets),
)
async def add_secret(
    client_id: Id,
    caller: Writer,
    source: RequestSource,
    clients: Service,
    body: SecretCreate | None = None,
) -> NewSecretOut:
    """Create a secret for a program, which is shown only now. Two are valid at a time."""
    expires_at = body.expires_at if body else None
    made = await clients.add_secret(Actor(caller, source), client_id, expires_at)
    return NewSecretOut.with_text(*made)


@routes.delete(
    "/clients/{id}/secrets/{secret}",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, ClientNotFound, SecretNotFound),
)
async def remove_secret(
    client_id: Id,
    secret_id: Annotated[UUID, Path(alias="secret")],
    caller: Writer,
    source: RequestSource,
    clients: Service,
) -> None:
    """Delete a secret of a program. Its access tokens end; it gets new ones by the other secret."""
    await clients.remove_secret(Actor(caller, source), client_id, secret_id)


@routes.get("/resources", dependencies=_LIMITED)
async def list_resources(_: Reader, resources: ResourceService) -> list[ResourceOut]:
    """List the APIs that access tokens may be for, besides Keyfob's own."""
    return [ResourceOut.of(resource) for resource in await resources.list_all()]


@routes.post(
    "/resources",
    status_code=201,
    dependencies=_LIMITED,
    responses={**may_refuse(InsufficientAuthentication, ResourceTaken), **_MADE},
)
async def create_resource(
    request: Request,
    response: Response,
    body: ResourceCreate,
    caller: Writer,
    source: RequestSource,
    resources: ResourceService,
) -> ResourceOut:
    """Register an API with its scopes."""
    resource = await resources.create(Actor(caller, source), body.to_resource())
    response.headers["Location"] = f"{public_path(request)}/{resource.id}"
    return ResourceOut.of(resource)


@routes.get("/resources/{id}", dependencies=_LIMITED, responses=may_refuse(NotFound))
async def read_resource(resource_id: Id, _: Reader, resources: ResourceService) -> ResourceOut:
    """Read an API that access tokens may be for."""
    return ResourceOut.of(await resources.get(resource_id))


@routes.patch(
    "/resources/{id}",
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, NotFound),
)
async def change_resource(
    resource_id: Id,
    body: ResourceUpdate,
    caller: Writer,
    source: RequestSource,
    resources: ResourceService,
) -> ResourceOut:
    """Change an API's name, scopes or lifetime of tokens.

    Clients lose the scopes that it loses; all access tokens of these clients end.
    """
    resource = await resources.change(Actor(caller, source), resource_id, body.changed)
    return ResourceOut.of(resource)


@routes.delete(
    "/resources/{id}",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, NotFound, ResourceInUse),
)
async def delete_resource(
    resource_id: Id, caller: Writer, source: RequestSource, resources: ResourceService
) -> None:
    """Delete an API that no client has any more."""
    await resources.delete(Actor(caller, source), resource_id)
