"""The page of one user, and the form that adds somebody."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, ClassVar
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Depends, Path
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from keyfob.accounts.changes import Changes
from keyfob.accounts.email import Email
from keyfob.accounts.errors import EmailTaken, UnprovenRole
from keyfob.accounts.models import Name, Profile, Status
from keyfob.administration.authority import Actor
from keyfob.administration.bulk import Bulk
from keyfob.administration.factors import FactorReset
from keyfob.administration.invitations import Invitations
from keyfob.administration.models import Consequences
from keyfob.administration.roles import RoleAdministration
from keyfob.administration.service import Administration
from keyfob.audit.models import AuditFilter
from keyfob.audit.service import Audit
from keyfob.authority.models import GivenRole, Permission, Role, User
from keyfob.authority.requiring import require
from keyfob.authority.roles import Roles
from keyfob.core.http import Provided
from keyfob.core.locales import N_, _
from keyfob.core.problems import InvalidInput, Problem
from keyfob.limits.requests import limited
from keyfob.login_log.models import LoginFilter
from keyfob.login_log.service import LoginLog
from keyfob.mfa.models import Factor
from keyfob.mfa.service import Factors
from keyfob.oauth.app_access import AllOfApp, AppAccess
from keyfob.sessions.models import LiveSession
from keyfob.web.console.asked import PATH, Asked
from keyfob.web.console.choices import choice_in, is_as_seen
from keyfob.web.console.reading import lines_of, link_of
from keyfob.web.console.undo import Undos, back
from keyfob.web.parts.entries import Day, by_day, entry_of_attempt, entry_of_event
from keyfob.web.parts.refusals import refusal
from keyfob.web.shares import Share, share_of
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

Reader = Annotated[User, require(Permission.USERS_READ)]
Writer = Annotated[User, require(Permission.USERS_WRITE)]
RecentWriter = Annotated[User, require(Permission.USERS_WRITE, recent=True)]
Ender = Annotated[User, require(Permission.SESSIONS_END)]
Giver = Annotated[User, require(Permission.ROLES_WRITE, recent=True)]
UserId = Annotated[UUID, Path(alias="id")]
Admin = Annotated[Administration, Provided(Administration)]
TheRoles = Annotated[RoleAdministration, Provided(RoleAdministration)]
Inviting = Annotated[Invitations, Provided(Invitations)]
# Whatever a change answers with is a page of what may be read, so each asks for that right, too.
_LIMITED = [Depends(limited("admin", by="caller")), require(Permission.USERS_READ)]

_name: TypeAdapter[str] = TypeAdapter(Name)
_MOST_LINES, _HOURS = 25, (1, 8, 24, 7 * 24)
_NO_APP = UUID(int=0)

_DONE: Mapping[str, str] = {
    "added": N_("The account is made, and an invitation is on its way."),
    "blocked": N_("The account is blocked, and all its sessions have ended."),
    "active": N_("The account is active again."),
    "undone": N_("The account is as before."),
    "role": N_("The role is changed. It counts at once."),
    "edited": N_("Name and address are as you typed them."),
    "signed_out": N_("All sessions of the account have ended."),
    "invited": N_("An invitation is on its way."),
    "recovering": N_("A link for a new password is on its way."),
    "factors": N_("The second factors are removed, and the sessions have ended."),
    "given": N_("The role is given."),
    "taken": N_("The role is taken away."),
    "app_removed": N_("The app has no access any more."),
}


@dataclass(frozen=True, kw_only=True)
class UserPage:
    """A user, as far as the reader may see. `errors` are of what was just refused.

    `rights` are what the roles permit, each with these roles and their ends. `typed` are the name
    and the address of a form that was refused; `unsure` why a removal was. `state` is the query of
    the list to which a removal leads back.
    """

    template: ClassVar[str] = "console/user.html"

    user: Profile
    factors: Sequence[Factor]
    sessions: Share[LiveSession]
    apps: Sequence[AllOfApp]
    given: Sequence[GivenRole]
    further: Sequence[str]
    rights: Mapping[str, Sequence[tuple[str, datetime | None]]]
    days: Sequence[Day]
    weight: Consequences
    is_self: bool
    hours: Sequence[int] = _HOURS
    # The meanings of the permissions of our own API; those of other APIs are not known.
    meanings: ClassVar[Mapping[str, str]] = {one.value: one.meaning for one in Permission}
    errors: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    unsure: str = ""
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class NewUserPage:
    """The form that adds somebody, who is invited by mail."""

    template: ClassVar[str] = "console/new_user.html"

    email: str = ""
    name: str = ""
    role: str = "user"
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Users:
    """Reads what the page of a user shows."""

    administration: Administration
    factors: Factors
    apps: AppAccess
    roles: Roles
    bulk: Bulk
    undos: Undos
    log: LoginLog
    audit: Audit

    async def show(
        self,
        visit: Visit,
        caller: User,
        user_id: UUID,
        status: int = 200,
        *,
        errors: Mapping[str, str] | None = None,
        typed: Mapping[str, str] | None = None,
        unsure: str = "",
    ) -> Response:
        """Return the page; `errors` say why something was refused, `typed` is what was.

        `unsure` says why the account was not removed.

        Raises:
            UserNotFound: there is none with that id.
        """
        db, reads_roles = self.administration.db, self.roles.allows(caller, Permission.ROLES_READ)
        user = await self.administration.accounts.get_profile(user_id)
        live = await self.administration.sessions.list_live(user_id)
        given = await self.roles.list_given(db, user_id) if reads_roles else []
        page = UserPage(
            user=user,
            factors=await self.factors.list(db, user_id),
            sessions=share_of(visit, live, "sessions", f"/console/users/{user_id}"),
            apps=await self.apps.list_of(user_id),
            given=given,
            further=self.roles.names() if reads_roles else [],
            rights=self.roles.sources_of(user.role, given) if reads_roles else {},
            days=await self._timeline(visit, caller, user_id),
            weight=await self.bulk.weigh([user_id]),
            is_self=user_id == caller.user_id,
            errors=errors or {},
            typed=typed or {},
            unsure=unsure,
            state=visit.fields.get("state") or visit.request.query_params.get("state", ""),
        )
        undo = await self.undos.offer(visit, caller, user_id)
        return await visit.show(page, status, toast=visit.done(_DONE), undo=undo)

    async def _timeline(self, visit: Visit, caller: User, user_id: UUID) -> Sequence[Day]:
        """Return the latest lines of both logs about a user, as far as the reader may see them."""
        can, link = self.roles.permissions_of(caller), link_of(visit, self.roles)
        only = lines_of(visit, {})
        found = []
        if Permission.LOGINS_READ in can:
            logins = await self.log.list_events(
                LoginFilter(user_id=user_id), before=None, limit=_MOST_LINES
            )
            found += [entry_of_attempt(one, link, only) for one in logins]
        if Permission.AUDIT_READ in can:
            events = await self.audit.list_events(
                AuditFilter(user_id=user_id), before=None, limit=_MOST_LINES
            )
            found += [entry_of_event(one, link, only) for one in events]
        found.sort(key=lambda entry: entry.at, reverse=True)
        return by_day(found[:_MOST_LINES])


TheUsers = Annotated[Users, Provided(Users)]


@routes.get("/console/users/new", dependencies=_LIMITED)
async def ask(visit: AVisit, caller: Writer) -> Response:
    """Show the form that adds somebody."""
    return await visit.show(NewUserPage())


@routes.post("/console/users/new", dependencies=_LIMITED)
async def add(visit: AVisit, caller: Writer, admin: Admin) -> Response:
    """Make an account, and invite its owner to choose a password."""
    role = choice_in(visit, "role", set(Role)) if "role" in visit.fields else Role.USER
    email, name, errors = _read_person(visit)
    status = 422
    if email and not errors:
        actor = Actor(caller, visit.source)
        try:
            user_id = await admin.create(actor, email, None, role=Role(role), name=name)
        except EmailTaken as taken:
            errors["email"], status = refusal(taken.code), taken.status
        except InvalidInput:
            errors["email"] = _("No account can have this address.")
        else:
            return visit.go(f"/console/users/{user_id}", done="added")
    typed = {part: visit.fields.line(part) for part in ("email", "name")}
    return await visit.show(NewUserPage(**typed, role=role, errors=errors), status)


def _read_person(visit: Visit) -> tuple[Email | None, str | None, dict[str, str]]:
    """Return the address and the name of a form, and what is wrong with them, by the field."""
    errors: dict[str, str] = {}
    email = name = None
    try:
        email = Email.parse(visit.fields.line("email"))
    except ValueError:
        errors["email"] = _("No account can have this address.")
    try:
        typed = visit.fields.line("name")
        name = _name.validate_python(typed) if typed else None
    except ValidationError:
        errors["name"] = _("Type a name of up to 200 characters, without any that are not seen.")
    return email, name, errors


@routes.get("/console/users/{id:uuid}", dependencies=_LIMITED)
async def show(user_id: UserId, visit: AVisit, caller: Reader, users: TheUsers) -> Response:
    """Show a user."""
    return await users.show(visit, caller, user_id)


async def _do(
    visit: Visit, caller: User, users: Users, user_id: UUID, work: Awaitable[object], done: str
) -> Response:
    """Do something with a user and show the page again, with what was done or why not."""
    try:
        found = await work
    except Problem as wrong:
        if wrong.status not in {404, 409, 422} or wrong.code == "user_not_found":
            raise
        errors = {"": refusal(wrong.code)}
        return await users.show(visit, caller, user_id, wrong.status, errors=errors)
    return back(visit, user_id, done, found)


@routes.post("/console/users/{id:uuid}/edit", dependencies=_LIMITED)
async def edit(user_id: UserId, visit: AVisit, caller: Writer, users: TheUsers) -> Response:
    """Change the name and the address of an account, as far as the form's reader has."""
    # Threat: a form that was opened before gives back what a colleague has changed meanwhile.
    if not {"name", "email"} <= visit.fields.values.keys():
        raise InvalidInput([{"pointer": "", "detail": "should contain name and email"}])
    email, name, errors = _read_person(visit)
    status = 422
    if not errors:
        changes = _changes(visit, email, name)
        try:
            await users.administration.change(Actor(caller, visit.source), user_id, changes)
        except (EmailTaken, UnprovenRole) as wrong:
            errors["email"], status = refusal(wrong.code), wrong.status
        except InvalidInput:
            errors["email"] = _("No account can have this address.")
        else:
            return visit.go(f"/console/users/{user_id}", done="edited")
    parts = ("email", "name", "seen_email", "seen_name")
    typed = {part: visit.fields.line(part) for part in parts if part in visit.fields}
    return await users.show(visit, caller, user_id, status, errors=errors, typed=typed)


def _changes(visit: Visit, email: Email | None, name: str | None) -> Changes:
    """Return what the reader of a form has changed."""
    moves, renames = not is_as_seen(visit, "email"), not is_as_seen(visit, "name")
    return Changes(
        email=email if moves else None,
        name=name if renames else None,
        clears_name=renames and name is None,
    )


@routes.post("/console/users/{id:uuid}/status", dependencies=_LIMITED)
async def set_status(user_id: UserId, visit: AVisit, caller: Writer, users: TheUsers) -> Response:
    """Block an account, or make it active again."""
    status = Status(choice_in(visit, "status", set(Status)))
    actor = Actor(caller, visit.source)
    work = users.administration.change(actor, user_id, Changes(status=status))
    return await _do(visit, caller, users, user_id, work, status)


@routes.post("/console/users/{id:uuid}/role", dependencies=_LIMITED)
async def set_role(user_id: UserId, visit: AVisit, caller: Writer, users: TheUsers) -> Response:
    """Give an account another built-in role."""
    role = Role(choice_in(visit, "role", set(Role)))
    work = users.administration.change(Actor(caller, visit.source), user_id, Changes(role=role))
    return await _do(visit, caller, users, user_id, work, "role")


@routes.post("/console/users/{id:uuid}/sign-out", dependencies=_LIMITED)
async def sign_out(user_id: UserId, visit: AVisit, caller: Ender, users: TheUsers) -> Response:
    """End all sessions of a user."""
    work = users.administration.log_out_everywhere(Actor(caller, visit.source), user_id)
    return await _do(visit, caller, users, user_id, work, "signed_out")


@routes.post("/console/users/{id:uuid}/remove-app", dependencies=_LIMITED)
async def take_from_app(user_id: UserId, visit: AVisit, caller: Ender, users: TheUsers) -> Response:
    """Take from an app all that it has of a user."""
    apps = {str(app.client_id): app.client_id for app in await users.apps.list_of(user_id)}
    client_id = apps.get(visit.fields.line("client_id"), _NO_APP)
    work = users.apps.take_from(Actor(caller, visit.source), user_id, client_id)
    return await _do(visit, caller, users, user_id, work, "app_removed")


@routes.post("/console/users/{id:uuid}/invite", dependencies=_LIMITED)
async def invite(
    user_id: UserId, visit: AVisit, caller: Writer, users: TheUsers, inviting: Inviting
) -> Response:
    """Send a link for choosing a first password."""
    work = inviting.invite(Actor(caller, visit.source), user_id)
    return await _do(visit, caller, users, user_id, work, "invited")


@routes.post("/console/users/{id:uuid}/recover", dependencies=_LIMITED)
async def recover(
    user_id: UserId, visit: AVisit, caller: Writer, users: TheUsers, inviting: Inviting
) -> Response:
    """Send a link for choosing a new password."""
    work = inviting.start_recovery(Actor(caller, visit.source), user_id)
    return await _do(visit, caller, users, user_id, work, "recovering")


@routes.post("/console/users/{id:uuid}/reset-factors", dependencies=_LIMITED)
async def reset_factors(
    user_id: UserId,
    visit: AVisit,
    caller: RecentWriter,
    users: TheUsers,
    factors: Annotated[FactorReset, Provided(FactorReset)],
) -> Response:
    """Remove all factors of a user, and end the sessions."""
    work = factors.reset(Actor(caller, visit.source), user_id)
    return await _do(visit, caller, users, user_id, work, "factors")


@routes.post("/console/users/{id:uuid}/roles", dependencies=_LIMITED)
async def give_role(
    user_id: UserId, visit: AVisit, caller: Giver, users: TheUsers, roles: TheRoles
) -> Response:
    """Give a further role, for good or for some hours."""
    hours = choice_in(visit, "hours", {"", *map(str, _HOURS)})
    ends = visit.clock.now() + timedelta(hours=int(hours)) if hours else None
    name = choice_in(visit, "role", {role.name for role in await roles.list_all()})
    work = roles.give(Actor(caller, visit.source), user_id, name, ends)
    return await _do(visit, caller, users, user_id, work, "given")


@routes.post("/console/users/{id:uuid}/roles/take", dependencies=_LIMITED)
async def take_role(
    user_id: UserId, visit: AVisit, caller: Giver, users: TheUsers, roles: TheRoles
) -> Response:
    """Take a further role away."""
    name = choice_in(visit, "role", {role.name for role in await roles.list_all()})
    work = roles.take(Actor(caller, visit.source), user_id, name)
    return await _do(visit, caller, users, user_id, work, "taken")


@routes.post("/console/users/{id:uuid}/remove", dependencies=_LIMITED)
async def remove(user_id: UserId, visit: AVisit, caller: Writer, users: TheUsers) -> Response:
    """Remove an account, if its address was typed as a confirmation."""
    profile = await users.administration.accounts.get_profile(user_id)
    if visit.fields.line("email").casefold() != profile.email.casefold():
        unsure = _("This is not the address of the account. Nothing was removed.")
        return await users.show(visit, caller, user_id, 422, unsure=unsure)
    try:
        await users.administration.delete(Actor(caller, visit.source), user_id)
    except Problem as wrong:
        if wrong.status != 409:
            raise
        errors = {"": refusal(wrong.code)}
        return await users.show(visit, caller, user_id, wrong.status, errors=errors)
    state = Asked.read(dict(parse_qsl(visit.fields.get("state"))))
    return visit.go(PATH, **state.here_by_name, done="removed")
