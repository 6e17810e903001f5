"""The further roles and their holders, for administrators."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Query, Response
from pydantic import BaseModel, Field
from starlette.requests import Request

from keyfob.accounts.errors import UnprovenRole, UserNotFound
from keyfob.accounts.models import Status
from keyfob.administration.authority import Actor
from keyfob.administration.errors import RoleInUse, RoleNotFound, RoleTaken, UnknownRole
from keyfob.administration.roles import RoleAdministration, Why
from keyfob.authority.models import OF_ROLE, GivenRole, Permission, RoleDefinition, Subject
from keyfob.authority.names import PermissionName, Permissions, RoleName
from keyfob.authority.requiring import require
from keyfob.core.bodies import Body, MomentInUtc
from keyfob.core.http import Provided, may_refuse, router
from keyfob.core.http.pages import public_path
from keyfob.core.problems import InsufficientAuthentication
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited

routes = router("Administration", prefix="/admin")

_LIMITED = [Depends(limited("admin", by="caller"))]
_MADE: dict[int | str, Any] = {201: {"headers": {"Location": {"schema": {"type": "string"}}}}}

Reader = Annotated[Subject, require(Permission.ROLES_READ, programs=True)]
Writer = Annotated[Subject, require(Permission.ROLES_WRITE, programs=True)]
Service = Annotated[RoleAdministration, Provided(RoleAdministration)]
UserId = Annotated[UUID, Path(alias="id")]

InPath = Annotated[RoleName, Path(alias="name")]


class RoleCreate(Body):
    """A role to define."""

    name: RoleName
    permissions: Permissions


class RoleUpdate(Body):
    """The new permissions of a role."""

    permissions: Permissions


class RoleOut(BaseModel):
    """A role and its permissions."""

    name: str
    permissions: list[str]
    built_in: Annotated[bool, Field(description="One of user, moderator and admin")]

    @classmethod
    def of(cls, role: RoleDefinition) -> "RoleOut":
        return cls(name=role.name, permissions=sorted(role.permissions), built_in=False)


class RoleGive(Body):
    """A role to give to a user."""

    role: RoleName
    expires_at: MomentInUtc | None = None


class RoleEnd(Body):
    """The end of a user's role; null: never."""

    expires_at: MomentInUtc | None


class GivenRoleOut(BaseModel):
    """A further role that a user has."""

    role: str
    given_at: datetime
    given_by: Annotated[UUID | None, Field(description="Null: the command line")]
    expires_at: datetime | None

    @classmethod
    def of(cls, given: GivenRole) -> "GivenRoleOut":
        return cls(**given._asdict())


class RoleThatPermits(BaseModel):
    """A role that gives a user a permission."""

    role: str
    expires_at: datetime | None


class WhyOut(BaseModel):
    """A permission of a user, and the roles that give it. A blocked account has none."""

    permission: str
    held: bool
    status: Status
    roles: list[RoleThatPermits]

    @classmethod
    def of(cls, why: Why) -> "WhyOut":
        roles = [RoleThatPermits(role=role, expires_at=ends) for role, ends in why.roles]
        return cls(permission=why.permission, held=why.held, status=why.status, roles=roles)


@routes.get("/roles", dependencies=_LIMITED)
async def list_roles(_: Reader, roles: Service) -> list[RoleOut]:
    """List the roles with their permissions, the built-in ones first."""
    built_in = [
        RoleOut(name=name, permissions=sorted(permissions), built_in=True)
        for name, permissions in OF_ROLE.items()
    ]
    return [*built_in, *(RoleOut.of(role) for role in await roles.list_all())]


@routes.post(
    "/roles",
    status_code=201,
    dependencies=_LIMITED,
    responses={**may_refuse(InsufficientAuthentication, RoleTaken), **_MADE},
)
async def create_role(
    request: Request,
    response: Response,
    body: RoleCreate,
    caller: Writer,
    source: RequestSource,
    roles: Service,
) -> RoleOut:
    """Define a role. Its permissions must be the caller's own, who needs a recent sign-in."""
    role = await roles.create(Actor(caller, source), body.name, body.permissions)
    response.headers["Location"] = f"{public_path(request)}/{role.name}"
    return RoleOut.of(role)


@routes.patch(
    "/roles/{name}",
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, RoleNotFound),
)
async def change_role(
    name: InPath, body: RoleUpdate, caller: Writer, source: RequestSource, roles: Service
) -> RoleOut:
    """Change the permissions of a role: here at once, in other services with the next refresh."""
    return RoleOut.of(await roles.change(Actor(caller, source), name, body.permissions))


@routes.delete(
    "/roles/{name}",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, RoleNotFound, RoleInUse),
)
async def delete_role(name: InPath, caller: Writer, source: RequestSource, roles: Service) -> None:
    """Delete a role that no user has."""
    await roles.delete(Actor(caller, source), name)


@routes.get("/users/{id}/roles", dependencies=_LIMITED, responses=may_refuse(UserNotFound))
async def list_roles_of_user(user_id: UserId, _: Reader, roles: Service) -> list[GivenRoleOut]:
    """List the further roles that a user has now."""
    return [GivenRoleOut.of(given) for given in await roles.list_given(user_id)]


@routes.post(
    "/users/{id}/roles",
    status_code=201,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, UserNotFound, UnknownRole, UnprovenRole),
)
async def give_role(
    user_id: UserId, body: RoleGive, caller: Writer, source: RequestSource, roles: Service
) -> GivenRoleOut:
    """Give a user a role, permanently or until `expires_at`. It takes effect at once."""
    actor = Actor(caller, source)
    return GivenRoleOut.of(await roles.give(actor, user_id, body.role, body.expires_at))


@routes.patch(
    "/users/{id}/roles/{name}",
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, UserNotFound, RoleNotFound, UnprovenRole),
)
async def change_end_of_role(
    user_id: UserId,
    name: InPath,
    body: RoleEnd,
    caller: Writer,
    source: RequestSource,
    roles: Service,
) -> GivenRoleOut:
    """Change the end of a user's role."""
    return GivenRoleOut.of(
        await roles.give(Actor(caller, source), user_id, name, body.expires_at, anew=False)
    )


@routes.delete(
    "/users/{id}/roles/{name}",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, UserNotFound, RoleNotFound),
)
async def take_role(
    user_id: UserId, name: InPath, caller: Writer, source: RequestSource, roles: Service
) -> None:
    """Take a role away from a user, at once, without ending sessions."""
    await roles.take(Actor(caller, source), user_id, name)


@routes.get("/users/{id}/why", dependencies=_LIMITED, responses=may_refuse(UserNotFound))
async def explain_permission(
    user_id: UserId,
    _: Reader,
    roles: Service,
    permission: Annotated[PermissionName, Query(description="Such as `users:read`")],
) -> WhyOut:
    """Return whether a user has a permission, and the roles that give it."""
    return WhyOut.of(await roles.why(user_id, permission))
