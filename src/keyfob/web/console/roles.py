"""Roles: the built-in ones, and further ones as lists of permissions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from fastapi import Depends, Path
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from keyfob.administration.authority import Actor
from keyfob.administration.roles import RoleAdministration
from keyfob.authority.models import OF_ROLE, Permission, RoleDefinition, User
from keyfob.authority.names import Permissions, RoleName
from keyfob.authority.requiring import require
from keyfob.authority.roles import Roles
from keyfob.core.http import Provided
from keyfob.core.locales import N_, _
from keyfob.core.problems import Forbidden, InvalidInput, Problem
from keyfob.limits.requests import limited
from keyfob.web.console.choices import seen_in
from keyfob.web.parts.refusals import refusal
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

Reader = Annotated[User, require(Permission.ROLES_READ)]
Writer = Annotated[User, require(Permission.ROLES_WRITE, recent=True)]
Service = Annotated[RoleAdministration, Provided(RoleAdministration)]
TheRoles = Annotated[Roles, Provided(Roles)]
Name = Annotated[RoleName, Path(alias="name")]
_name: TypeAdapter[str] = TypeAdapter(RoleName)
_permissions: TypeAdapter[list[str]] = TypeAdapter(Permissions)
# Whatever a change answers with is a page of what may be read, so each asks for that right, too.
_LIMITED = [Depends(limited("admin", by="caller")), require(Permission.ROLES_READ)]

_DONE: Mapping[str, str] = {
    "made": N_("The role is defined. Give it to somebody on their page."),
    "changed": N_("The role is changed. It counts here at once."),
    "deleted": N_("The role is deleted."),
}


@dataclass(frozen=True, kw_only=True)
class RolesPage:
    """The roles, each with its permissions."""

    template: ClassVar[str] = "console/roles.html"

    built_in: Sequence[tuple[str, Sequence[str]]]
    further: Sequence[RoleDefinition]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RolePage:
    """The form of a role; without a `known` name it is a new one. `may` can be given by its maker.

    `others` are permissions of the role that its editor does not hold, or scopes of other APIs.
    `seen` are those that the role had when the form was opened.
    """

    template: ClassVar[str] = "console/role.html"

    known: str
    name: str
    chosen: Sequence[str]
    may: Sequence[Permission]
    others: Sequence[str]
    seen: Sequence[str]
    errors: Mapping[str, str] = field(default_factory=dict)


@routes.get("/console/roles", dependencies=_LIMITED)
async def show_list(visit: AVisit, caller: Reader, service: Service) -> Response:
    """Show the roles."""
    return await _list(visit, service)


# Beside the roles and not among them: one may be named "new".
@routes.get("/console/new-role", dependencies=_LIMITED)
async def ask(visit: AVisit, caller: Writer, roles: TheRoles) -> Response:
    """Show the form of a new role."""
    return await visit.show(_form(visit, caller, roles, "", (), {}))


@routes.post("/console/new-role", dependencies=_LIMITED)
async def create(visit: AVisit, caller: Writer, service: Service, roles: TheRoles) -> Response:
    """Define a role."""
    errors, status = {}, 422
    chosen = visit.fields.list_all("permission")
    try:
        name = _name.validate_python(visit.fields.line("name"))
        await service.create(Actor(caller, visit.source), name, set(_read(chosen)))
    except ValidationError:
        errors["name"] = _("Type a name of small letters, digits and dashes, such as support.")
    except Problem as refused:
        if refused.status not in {403, 409, 422}:
            raise
        errors[""], status = refusal(refused.code), refused.status
    if errors:
        return await visit.show(_form(visit, caller, roles, "", chosen, errors), status)
    return visit.go("/console/roles", done="made")


@routes.get("/console/roles/{name}", dependencies=_LIMITED)
async def edit(
    name: Name, visit: AVisit, caller: Writer, service: Service, roles: TheRoles
) -> Response:
    """Show the form of a role."""
    known = {role.name: role for role in await service.list_all()}
    if name not in known:
        return visit.go("/console/roles")
    return await visit.show(_form(visit, caller, roles, name, known[name].permissions, {}))


@routes.post("/console/roles/{name}", dependencies=_LIMITED)
async def change(
    name: Name, visit: AVisit, caller: Writer, service: Service, roles: TheRoles
) -> Response:
    """Change the permissions of a role."""
    chosen = visit.fields.list_all("permission")
    try:
        actor, seen = Actor(caller, visit.source), seen_in(visit, "permission")
        await service.change(actor, name, set(_read(chosen)), seen=seen)
    except Forbidden as refused:
        errors = {"": refusal(refused.code)}
        return await visit.show(_form(visit, caller, roles, name, chosen, errors), refused.status)
    return visit.go("/console/roles", done="changed")


@routes.post("/console/roles/{name}/delete", dependencies=_LIMITED)
async def delete(name: Name, visit: AVisit, caller: Writer, service: Service) -> Response:
    """Delete a role that nobody has."""
    try:
        await service.delete(Actor(caller, visit.source), name)
    except Problem as refused:
        if refused.status not in {404, 409}:
            raise
        return await _list(visit, service, {"": refusal(refused.code)}, refused.status)
    return visit.go("/console/roles", done="deleted")


def _read(chosen: Sequence[str]) -> list[str]:
    """Return permissions that the boxes of the form can have, as the API reads them.

    Raises:
        InvalidInput: something else was sent.
    """
    try:
        return _permissions.validate_python(list(chosen))
    except ValidationError:
        raise InvalidInput([{"pointer": "/permission", "detail": "should be names"}]) from None


async def _list(
    visit: Visit,
    service: RoleAdministration,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    page = RolesPage(
        built_in=[(str(role), sorted(permissions)) for role, permissions in OF_ROLE.items()],
        further=await service.list_all(),
        errors=errors or {},
    )
    done = visit.done(_DONE)
    return await visit.show(page, status, toast=done)


def _form(
    visit: Visit,
    caller: User,
    roles: Roles,
    known: str,
    chosen: Sequence[str],
    errors: Mapping[str, str],
) -> RolePage:
    held = roles.permissions_of(caller)
    may = [one for one in Permission if one in held and one is not Permission.ACCOUNT_READ]
    return RolePage(
        known=known,
        name=visit.fields.line("name") or known,
        chosen=tuple(chosen),
        may=may,
        others=sorted(set(chosen) - set(may)),
        seen=chosen if (seen := seen_in(visit, "permission")) is None else seen,
        errors=errors,
    )
