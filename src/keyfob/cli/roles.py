"""`keyfob roles`: the further roles, and the users who have them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from keyfob.administration.authority import Actor
from keyfob.administration.roles import RoleAdministration
from keyfob.authority.models import OF_ROLE, Permission
from keyfob.authority.names import PermissionName, RoleName
from keyfob.cli.context import run_with_services
from keyfob.cli.output import AsJson, show_one, show_rows
from keyfob.cli.refusal import Refused
from keyfob.cli.users import Address, find_user, telling_of_unproven
from keyfob.clients.resources import Resources
from keyfob.wiring import Wiring

# A share of letters. Scopes of other APIs, such as orders:read, are less like those of Keyfob.
_ALIKE = 0.83

app = typer.Typer(help="Further roles, and the users who have them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The role's name.")]
Allows = Annotated[
    list[str] | None, typer.Option("--permission", help="A permission; may be repeated.")
]


def _administration(wiring: Wiring) -> RoleAdministration:
    found: RoleAdministration = wiring.services[RoleAdministration]
    return found


def _check(name: str, permissions: list[str]) -> None:
    try:
        TypeAdapter(RoleName).validate_python(name)
        TypeAdapter(list[PermissionName]).validate_python(permissions)
    except ValidationError as fault:
        raise Refused(f"{fault.errors()[0]['input']}: {fault.errors()[0]['msg']}") from None


async def _refuse_misspelt(wiring: Wiring, permissions: list[str]) -> None:
    """Refuse what looks like a permission of Keyfob or a scope of a resource, and is neither."""
    resources: Resources = wiring.services[Resources]
    scopes = {scope for one in await resources.list_all(wiring.db) for scope in one.scopes}
    known = {*map(str, Permission), *scopes}
    areas = {permission.partition(":")[0] for permission in Permission}
    for name in permissions:
        alike = get_close_matches(name, sorted(known), 1, _ALIKE)
        if name not in known and (alike or name.partition(":")[0] in areas):
            meant = f"; {alike[0]}?" if alike else ""
            raise Refused(f"{name}: neither Keyfob nor a resource has this permission{meant}")


def _do(
    work: Callable[[RoleAdministration], Awaitable[object]], permissions: list[str] | None = None
) -> None:
    async def done(wiring: Wiring) -> None:
        await _refuse_misspelt(wiring, permissions or [])
        await work(_administration(wiring))

    run_with_services(done)


def _show(name: str, permissions: list[str], verb: str, *, as_json: bool) -> None:
    row = {"name": name, "permissions": " ".join(permissions)}
    sentence = f"{verb} {name}: {' '.join(permissions) or 'no permissions'}."
    show_one(row, as_json=as_json, sentence=sentence)


@app.command("list")
def list_roles(as_json: AsJson = False) -> None:
    """List the roles with their permissions, the built-in ones first.

    Examples:

        keyfob roles list
    """

    async def work(wiring: Wiring) -> list[dict[str, Any]]:
        further = await _administration(wiring).list_all()
        built_in = [
            {"name": name, "permissions": " ".join(sorted(permissions)), "built_in": True}
            for name, permissions in OF_ROLE.items()
        ]
        others = [
            {"name": role.name, "permissions": " ".join(role.permissions), "built_in": False}
            for role in further
        ]
        return [*built_in, *others]

    show_rows(run_with_services(work), as_json=as_json)


@app.command("create")
def create_role(name: Name, permission: Allows = None, as_json: AsJson = False) -> None:
    """Define a role.

    Examples:

        keyfob roles create support --permission users:read --permission logins:read
    """
    permissions = permission or []
    _check(name, permissions)
    _do(lambda roles: roles.create(Actor(None), name, permissions), permissions)
    _show(name, permissions, "Defined", as_json=as_json)


@app.command("change")
def change_role(name: Name, permission: Allows = None, as_json: AsJson = False) -> None:
    """Replace the permissions of a role.

    Examples:

        keyfob roles change support --permission users:read
    """
    permissions = permission or []
    _check(name, permissions)
    _do(lambda roles: roles.change(Actor(None), name, permissions), permissions)
    _show(name, permissions, "Changed", as_json=as_json)


@app.command("delete")
def delete_role(name: Name, as_json: AsJson = False) -> None:
    """Delete a role that no user has.

    Examples:

        keyfob roles delete support
    """
    _do(lambda roles: roles.delete(Actor(None), name))
    show_one({"name": name, "removed": True}, as_json=as_json, sentence=f"Removed {name}.")


@app.command("give")
def give_role(
    email: Address,
    name: Name,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it ends.")] = None,
    hours: Annotated[int | None, typer.Option(min=1, help="Hours, besides the days.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give a user a role, permanently or for some time.

    Examples:

        keyfob roles give ada@example.com support --days 30

        keyfob roles give ada@example.com on-call --hours 8
    """
    lasts = timedelta(days=days or 0, hours=hours or 0)

    async def work(wiring: Wiring) -> None:
        roles = _administration(wiring)
        ends = roles.clock.now() + lasts if lasts else None
        user_id = await find_user(wiring, email)
        with telling_of_unproven(email):
            await roles.give(Actor(None), user_id, name, ends)

    run_with_services(work)
    sentence = f"{email} has {name}{f' for {_in_words(days, hours)}' if lasts else ''}."
    show_one({"email": email, "role": name, "given": True}, as_json=as_json, sentence=sentence)


@app.command("take")
def take_role(email: Address, name: Name, as_json: AsJson = False) -> None:
    """Take a role away from a user, at once.

    Examples:

        keyfob roles take ada@example.com support
    """

    async def work(wiring: Wiring) -> None:
        user_id = await find_user(wiring, email)
        await _administration(wiring).take(Actor(None), user_id, name)

    run_with_services(work)
    row = {"email": email, "role": name, "given": False}
    show_one(row, as_json=as_json, sentence=f"{email} no longer has {name}.")


@app.command("of")
def roles_of_user(email: Address, as_json: AsJson = False) -> None:
    """List the further roles that a user has now.

    Examples:

        keyfob roles of ada@example.com
    """

    async def work(wiring: Wiring) -> list[dict[str, Any]]:
        given = await _administration(wiring).list_given(await find_user(wiring, email))
        return [one._asdict() for one in given]

    show_rows(run_with_services(work), as_json=as_json)


@app.command("why")
def explain(
    email: Address,
    permission: Annotated[str, typer.Argument(help="Such as users:read")],
    as_json: AsJson = False,
) -> None:
    """Show the roles that give a user a permission.

    Examples:

        keyfob roles why ada@example.com users:read
    """

    async def work(wiring: Wiring) -> list[dict[str, Any]]:
        await _refuse_misspelt(wiring, [permission])
        why = await _administration(wiring).why(await find_user(wiring, email), permission)
        return [
            {"role": name, "expires_at": ends, "held": why.held, "status": why.status.value}
            for name, ends in why.roles
        ]

    none = f"No role gives {email} {permission}."
    show_rows(run_with_services(work), as_json=as_json, none=none)


def _in_words(days: int | None, hours: int | None) -> str:
    counted = [(days, "day"), (hours, "hour")]
    return " and ".join(f"{n} {unit}{'s' if n > 1 else ''}" for n, unit in counted if n)
