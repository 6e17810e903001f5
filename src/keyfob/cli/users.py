"""`keyfob users`: what an administrator does without the API."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import SecretStr, ValidationError

from keyfob.accounts.changes import Changes
from keyfob.accounts.credentials import Credentials
from keyfob.accounts.email import Email
from keyfob.accounts.errors import UnprovenRole
from keyfob.accounts.models import Status
from keyfob.administration.authority import Actor
from keyfob.administration.factors import FactorReset
from keyfob.administration.models import Sort, UserFilter
from keyfob.administration.service import Administration
from keyfob.administration.unproven import Unproven
from keyfob.authority.models import Role
from keyfob.cli.context import run_with_services
from keyfob.cli.output import AsJson, show_one, show_rows
from keyfob.cli.refusal import Refused
from keyfob.core.secrets import random_text
from keyfob.wiring import Wiring

app = typer.Typer(help="List and change users.", no_args_is_help=True)

Address = Annotated[str, typer.Argument(help="The user's e-mail.")]


def _administration(wiring: Wiring) -> Administration:
    found: Administration = wiring.services[Administration]
    return found


def _parse(address: str) -> Email:
    try:
        return Email.parse(address)
    except ValueError as fault:
        raise Refused(f"{address}: {fault}") from None


async def find_user(wiring: Wiring, address: str) -> UUID:
    """Return the id of the user of an address.

    Raises:
        Refused: there is none, or the address is not one.
    """
    credentials: Credentials = wiring.services[Credentials]
    found = await credentials.find_address_owner(_parse(address))
    if found is None:
        raise Refused(f"{address}: there is no such user")
    return found.id


@contextmanager
def telling_of_unproven(address: str) -> Iterator[None]:
    """Name the command that vouches for an address, where a role is refused for want of a proof.

    Raises:
        Refused: the account registered itself, and its address is not verified.
    """
    try:
        yield
    except UnprovenRole:
        way = f"vouch for it with `keyfob users mark-verified {address}`, or wait until it is"
        raise Refused(f"{address}: the address is not verified; {way}") from None


@app.command("create")
def create_user(
    email: Address,
    role: Annotated[Role, typer.Option(help="The user's role.")] = Role.USER,
    name: Annotated[str | None, typer.Option(help="The user's name.")] = None,
    password_stdin: Annotated[
        bool,
        typer.Option(help="Read the password from standard input; otherwise one is generated."),
    ] = False,
    invite: Annotated[
        bool, typer.Option(help="Set no password: a mail invites the user to choose one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a user, and print the password if it was made.

    The mail of an invitation leaves as soon as the service runs.

    Examples:

        keyfob users create ada@example.com --role admin

        printf %s "$PASSWORD" | keyfob users create bob@example.com --password-stdin

        keyfob users create carol@example.com --invite
    """
    if invite and password_stdin:
        raise typer.BadParameter("choose one of --invite and --password-stdin")
    given = typer.get_text_stream("stdin").read().rstrip("\n") if password_stdin else None
    made = random_text(15) if given is None and not invite else None
    password = given if given is not None else made

    async def work(wiring: Wiring) -> UUID:
        return await _administration(wiring).create(
            Actor(None),
            _parse(email),
            SecretStr(password) if password is not None else None,
            role=role,
            name=name,
        )

    user_id = run_with_services(work)
    row: dict[str, Any] = {"id": str(user_id), "email": email, "role": role.value}
    sentence = f"Created {email} ({role.value})."
    if made is not None:
        row["password"] = made
        sentence += f" Password, shown this once: {made}"
    elif invite:
        sentence += " An invitation is on its way."
    show_one(row, as_json=as_json, sentence=sentence)


@app.command("list")
def list_users(
    search: Annotated[str | None, typer.Option(help="Part of the e-mail or name.")] = None,
    role: Annotated[Role | None, typer.Option(help="Only this role.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only this status.")] = None,
    never_proven: Annotated[
        bool, typer.Option("--never-proven", help="Only with no proven address.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The most rows to show.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List users, the newest first.

    Examples:

        keyfob users list --role admin

        keyfob users list --search example.com --json | jq -r '.[].email'
    """
    try:
        wanted = UserFilter(search=search, role=role, status=status, never_proven=never_proven)
    except ValidationError as fault:
        raise Refused(f"--search: {fault.errors()[0]['msg']}") from None

    async def work(wiring: Wiring) -> tuple[list[dict[str, Any]], int]:
        page = await _administration(wiring).list_page(
            wanted, sort=Sort.CREATED_DESC, limit=limit + 1
        )
        columns = ("id", "email", "name", "role", "status", "created_at", "last_active_at")
        shown = [row.profile._asdict() for row in page.rows[:limit]]
        return [{column: user[column] for column in columns} for user in shown], page.total

    rows, total = run_with_services(work)
    show_rows(rows, as_json=as_json)
    if total > limit:
        says = f"These are {limit} of {total}: see others by --search, or more by --limit."
        typer.echo(says, err=True)


def _change(address: str, changes: Changes) -> None:
    async def work(wiring: Wiring) -> None:
        administration = _administration(wiring)
        user_id = await find_user(wiring, address)
        with telling_of_unproven(address):
            await administration.change(Actor(None), user_id, changes)

    run_with_services(work)


@app.command("set-role")
def set_role(
    email: Address,
    role: Annotated[Role, typer.Argument(help="The new role.")],
    as_json: AsJson = False,
) -> None:
    """Change a user's role; it acts at once and signs nobody out.

    Example:

        keyfob users set-role ada@example.com moderator
    """
    _change(email, Changes(role=role))
    show_one(
        {"email": email, "role": role.value}, as_json=as_json, sentence=f"{email} is {role.value}."
    )


@app.command("block")
def block(email: Address, as_json: AsJson = False) -> None:
    """Block a user and end their sessions.

    Example:

        keyfob users block ada@example.com
    """
    _change(email, Changes(status=Status.BLOCKED))
    show_one(
        {"email": email, "status": "blocked"}, as_json=as_json, sentence=f"{email} is blocked."
    )


@app.command("unblock")
def unblock(email: Address, as_json: AsJson = False) -> None:
    """Let a blocked user sign in again.

    Example:

        keyfob users unblock ada@example.com
    """
    _change(email, Changes(status=Status.ACTIVE))
    show_one({"email": email, "status": "active"}, as_json=as_json, sentence=f"{email} is active.")


@app.command("mark-verified")
def mark_verified(email: Address, as_json: AsJson = False) -> None:
    """Vouch for a user's address, if no mail can verify it, or if addresses must be verified now.

    Everything in the account stays, whoever put it there: make sure that it is the user's.

    Example:

        keyfob users mark-verified ada@example.com
    """

    async def work(wiring: Wiring) -> bool:
        user_id = await find_user(wiring, email)
        unproven: Unproven = wiring.services[Unproven]
        return await unproven.vouch(Actor(None), user_id)

    marked = run_with_services(work)
    sentence = f"{email} is verified." if marked else f"{email} was verified already."
    show_one({"email": email, "marked": marked}, as_json=as_json, sentence=sentence)


@app.command("logout")
def log_out(email: Address, as_json: AsJson = False) -> None:
    """End all of a user's sessions.

    Example:

        keyfob users logout ada@example.com
    """

    async def work(wiring: Wiring) -> None:
        administration = _administration(wiring)
        user_id = await find_user(wiring, email)
        await administration.log_out_everywhere(Actor(None), user_id)

    run_with_services(work)
    show_one({"email": email}, as_json=as_json, sentence=f"{email} is signed out everywhere.")


@app.command("reset-factors")
def reset_factors(email: Address, as_json: AsJson = False) -> None:
    """Remove a user's second factors and recovery codes: the way out when the last admin lost them.

    Every session of the user ends, and the user is told by mail. If the role requires a factor,
    the next sign-in has to add one.

    Example:

        keyfob users reset-factors ada@example.com
    """

    async def work(wiring: Wiring) -> int:
        user_id = await find_user(wiring, email)
        reset: FactorReset = wiring.services[FactorReset]
        return await reset.reset(Actor(None), user_id)

    removed = run_with_services(work)
    show_one(
        {"email": email, "removed": removed},
        as_json=as_json,
        sentence=f"Removed {removed} factors of {email}.",
    )
