"""Users, for administrators: read and change one. Lists are in `list_routes`."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from keyfob.accounts.changes import Changes
from keyfob.accounts.errors import EmailTaken, LastAdmin, UnprovenRole, UserNotFound
from keyfob.accounts.models import UserOut
from keyfob.admin.models import UserChange, UserCreate, UserWithSessions
from keyfob.administration.authority import Actor
from keyfob.administration.errors import UserBlocked
from keyfob.administration.factors import FactorReset
from keyfob.administration.invitations import Invitations
from keyfob.administration.service import Administration
from keyfob.authority.models import Permission, Subject, User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided, may_refuse, public_path, router
from keyfob.core.problems import InsufficientAuthentication, Overloaded
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited
from keyfob.mfa.errors import LastFactor
from keyfob.oauth.app_access import AppAccess, GrantNotFound, GrantOut
from keyfob.passwords.errors import WeakPassword
from keyfob.sessions.models import SessionOut

routes = router("Administration", prefix="/admin")

_LIMITED = [Depends(limited("admin", by="caller"))]

Reader = Annotated[Subject, require(Permission.USERS_READ, programs=True)]
Writer = Annotated[Subject, require(Permission.USERS_WRITE, programs=True)]
RecentWriter = Annotated[User, require(Permission.USERS_WRITE, recent=True)]
Ender = Annotated[Subject, require(Permission.SESSIONS_END, programs=True)]
AdminService = Annotated[Administration, Provided(Administration)]
InvitationService = Annotated[Invitations, Provided(Invitations)]
Access = Annotated[AppAccess, Provided(AppAccess)]
UserId = Annotated[UUID, Path(alias="id")]


@routes.post(
    "/users",
    status_code=201,
    dependencies=_LIMITED,
    responses={
        **may_refuse(InsufficientAuthentication, EmailTaken, WeakPassword, Overloaded),
        201: {"headers": {"Location": {"schema": {"type": "string"}}}},
    },
)
async def create_user(
    request: Request,
    response: Response,
    body: UserCreate,
    caller: Writer,
    source: RequestSource,
    admin: AdminService,
) -> UserOut:
    """Add an account; without a password, its user is invited by mail.

    A `role` above `user` needs a recent sign-in by the caller.
    """
    user_id = await admin.create(
        Actor(caller, source),
        body.email,
        body.password,
        role=body.role,
        status=body.status,
        name=body.name,
        must_change_password=body.must_change_password,
    )
    response.headers["Location"] = f"{public_path(request)}/{user_id}"
    return UserOut.of(
        await admin.accounts.get_profile(user_id), admin.clock.now(), admin.online_within
    )


@routes.get("/users/{id}", dependencies=_LIMITED, responses=may_refuse(UserNotFound))
async def read_user(user_id: UserId, caller: Reader, admin: AdminService) -> UserWithSessions:
    """Read an account with its live sessions."""
    user = await admin.accounts.get_profile(user_id)
    current_id = caller.session_id if isinstance(caller, User) else None
    sessions = [
        SessionOut.of(record, current_id) for record in await admin.sessions.list_live(user_id)
    ]
    return UserWithSessions.with_sessions(user, sessions, admin.clock.now(), admin.online_within)


async def change_user(
    user_id: UserId, body: UserChange, caller: Writer, source: RequestSource, admin: AdminService
) -> UserOut:
    """Change an account; absent fields stay as they are. A new role or status takes effect at once.

    A new `email` is not verified and ends the user's sessions; factors stay. Changing the `role`,
    `status` or `email` of an account whose role is or becomes higher than `user` needs a recent
    sign-in by the caller.
    """
    changes = Changes(
        role=body.role,
        status=body.status,
        name=body.name,
        email=body.email,
        clears_name="name" in body.model_fields_set and body.name is None,
    )
    await admin.change(Actor(caller, source), user_id, changes)
    return UserOut.of(
        await admin.accounts.get_profile(user_id), admin.clock.now(), admin.online_within
    )


for _method in ("PUT", "PATCH"):
    routes.add_api_route(
        "/users/{id}",
        change_user,
        methods=[_method],
        operation_id=f"change_user_{_method.lower()}",
        dependencies=_LIMITED,
        responses=may_refuse(
            InsufficientAuthentication, UserNotFound, LastAdmin, EmailTaken, UnprovenRole
        ),
    )


@routes.delete(
    "/users/{id}",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, UserNotFound, LastAdmin),
)
async def delete_user(
    user_id: UserId, caller: Writer, source: RequestSource, admin: AdminService
) -> None:
    """Delete an account. If its role is above `user`, the caller needs a recent sign-in."""
    await admin.delete(Actor(caller, source), user_id)


@routes.delete(
    "/users/{id}/logout-all",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, UserNotFound),
)
async def log_user_out(
    user_id: UserId, caller: Ender, source: RequestSource, admin: AdminService
) -> None:
    """End all sessions of a user.

    If it is another user whose role is above `user`, the caller needs a recent sign-in.
    """
    await admin.log_out_everywhere(Actor(caller, source), user_id)


@routes.get("/users/{id}/grants", dependencies=_LIMITED, responses=may_refuse(UserNotFound))
async def list_grants(
    user_id: UserId, caller: Reader, admin: AdminService, access: Access
) -> list[GrantOut]:
    """List the apps that have access to a user's account, by name."""
    await admin.accounts.get_profile(user_id)
    return [GrantOut.of(app) for app in await access.list_of(user_id)]


@routes.delete(
    "/users/{id}/grants/{client_id}",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, UserNotFound, GrantNotFound),
)
async def take_grant_back(
    user_id: UserId, client_id: UUID, caller: Ender, source: RequestSource, access: Access
) -> None:
    """Take from an app all that it has of a user: its tokens are refused at once.

    If it is another user whose role is above `user`, the caller needs a recent sign-in.
    """
    await access.take_from(Actor(caller, source), user_id, client_id)


@routes.post(
    "/users/{id}/factors/reset",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(UserNotFound, LastFactor),
)
async def reset_factors(
    user_id: UserId,
    caller: RecentWriter,
    source: RequestSource,
    factors: Annotated[FactorReset, Provided(FactorReset)],
) -> None:
    """Remove all factors and recovery codes of a user, tell the user by mail, and end the sessions.

    The caller needs a recent sign-in.
    """
    await factors.reset(Actor(caller, source), user_id)


@routes.post(
    "/users/{id}/invite",
    status_code=202,
    response_class=Response,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, UserNotFound, UserBlocked),
)
async def invite_user(
    user_id: UserId, caller: Writer, source: RequestSource, invitations: InvitationService
) -> None:
    """Send the user a link for choosing a first password. Administrators never see the link.

    If the user's role is above `user`, the caller needs a recent sign-in.
    """
    await invitations.invite(Actor(caller, source), user_id)


@routes.post(
    "/users/{id}/recover",
    status_code=202,
    response_class=Response,
    dependencies=_LIMITED,
    responses=may_refuse(InsufficientAuthentication, UserNotFound, UserBlocked),
)
async def start_recovery(
    user_id: UserId, caller: Writer, source: RequestSource, invitations: InvitationService
) -> None:
    """Send the user a link for choosing a new password. Administrators never see the link.

    If the user's role is above `user`, the caller needs a recent sign-in.
    """
    await invitations.start_recovery(Actor(caller, source), user_id)
