"""Access of apps to a user's account: listed, and taken back by the user or an administrator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, NamedTuple, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, Field

from keyfob.administration.authority import Actor, Authority
from keyfob.audit.events import Event
from keyfob.authority.models import Permission, User
from keyfob.clients.models import Registrar
from keyfob.clients.service import Clients
from keyfob.clients.uris import is_https
from keyfob.core.database import Database, Tx
from keyfob.core.problems import Problem
from keyfob.devices.source import Source
from keyfob.oauth import authorization_queries as queries
from keyfob.oauth import device_queries
from keyfob.sessions.grants import Grants
from keyfob.sessions.models import Ending, EndReason
from keyfob.sessions.standing import Standing

# Somebody else may have been in the account until then.
_FORGETTING = frozenset(
    {
        EndReason.ADDRESS_PROVEN,
        EndReason.ADDRESS_MOVED,
        EndReason.FACTORS_RESET,
        EndReason.RECOVERED,
    }
)


# Apps that nobody here has registered, of one user; and how many beyond them end at once.
_MOST_OF_STRANGERS, _AT_ONCE = 100, 10


class GrantNotFound(Problem):
    """The app has nothing of the user: no consent, and no grant that is live."""

    status = 404
    code = "grant_not_found"
    title = "This app has no access"


class Places(NamedTuple):
    """The hosts that an app names itself, which nobody here has registered.

    `document` is the host where it describes itself, if it does. Without `leads_to` it runs on the
    user's own machine.
    """

    document: str | None
    leads_to: tuple[str, ...]


class AllOfApp(NamedTuple):
    """All that one app has of a user; its `places`, unless somebody here has registered it.

    `given_at` is None, and there is no scope, if nobody was asked: a first-party app. `grants`
    counts what is live now, and `last_used_at` is of that.
    """

    client_id: UUID
    name: str
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    given_at: datetime | None
    grants: int
    last_used_at: datetime | None
    is_offline: bool
    places: Places | None = None


class GrantOut(BaseModel):
    """All that one app has of a user."""

    client_id: UUID
    name: str
    scope: Annotated[list[str], Field(description="Consented to; empty if nobody was asked")]
    audience: Annotated[
        list[str], Field(description="Resources consented to; without any, only `userinfo`")
    ]
    given_at: Annotated[
        datetime | None, Field(description="The last consent; null: first-party, nobody was asked")
    ]
    grants: Annotated[int, Field(description="How often the app is signed in now")]
    last_used_at: datetime | None
    offline_access: Annotated[bool, Field(description="Whether some of it outlives a sign-out")]

    @classmethod
    def of(cls, app: AllOfApp) -> Self:
        return cls(
            client_id=app.client_id,
            name=app.name,
            scope=list(app.scope),
            audience=list(app.audience),
            given_at=app.given_at,
            grants=app.grants,
            last_used_at=app.last_used_at,
            offline_access=app.is_offline,
        )


@dataclass(frozen=True, kw_only=True)
class AppAccess:
    """Lists apps that have something of a user, and takes it from them: consent, codes, grants.

    The app may ask again, and then its user is asked.

    Threat: one user lets apps have something by the thousand, which anybody may register here. So
    of these, a user has a hundred; beyond that, what was allowed longest ago ends.
    """

    db: Database
    clients: Clients
    grants: Grants
    standing: Standing
    authority: Authority

    async def list_of(self, user_id: UUID) -> Sequence[AllOfApp]:
        """Return what apps have of a user, by the names of the apps."""
        live = {one.client_id: one for one in await self.grants.list_of(self.db, user_id)}
        apps = []
        for app in await queries.list_apps(self.db, user_id, list(live)):
            grant, consent = live.get(app.client_id), app.consent
            apps.append(
                AllOfApp(
                    app.client_id,
                    app.name,
                    consent.scope if consent else (),
                    consent.audience if consent else (),
                    consent.given_at if consent else None,
                    grant.sessions if grant else 0,
                    grant.last_used_at if grant else None,
                    grant is not None and grant.is_offline,
                    _places_of(app),
                )
            )
        return apps

    async def take_back(self, caller: User, client_id: UUID, source: Source) -> None:
        """Take from an app all that it has of the caller.

        Raises:
            GrantNotFound: it has nothing.
            Unauthenticated: see `Standing.ensure`.
        """
        async with self.db.begin() as tx:
            await self.standing.ensure(tx, caller)
            await self._end(tx, Actor(caller, source), caller.user_id, client_id)

    async def take_from(self, actor: Actor, user_id: UUID, client_id: UUID) -> None:
        """Take from an app all that it has of a user, as an administrator.

        Raises:
            UserNotFound: there is none with that id.
            GrantNotFound: the app has nothing of the user.
            Unauthenticated, Forbidden: see `Authority.lock`.
            InsufficientAuthentication: it is another user with more rights than `user`, and the
                sign-in is not recent.
        """
        async with self.db.begin() as tx:
            account, _ = await self.authority.lock(tx, actor, user_id, Permission.SESSIONS_END)
            if user_id != actor.user_id:
                await self.authority.ensure_recent_above_user(tx, actor, account)
            await self._end(tx, actor, user_id, client_id)

    async def end_oldest_of_strangers(self, tx: Tx, user_id: UUID) -> None:
        """End what a user lets too many apps of strangers have, once the account is locked."""
        oldest = await queries.list_oldest_of_strangers(
            tx, user_id, most=_MOST_OF_STRANGERS, at_most=_AT_ONCE
        )
        for client_id, name in oldest:
            _, ended = await self._take(tx, user_id, client_id, EndReason.TOO_MANY)
            await self.authority.audit.record(
                tx,
                action=Event.APP_REMOVED,
                actor_id=None,
                target_id=user_id,
                old={"client_id": str(client_id), "name": name, "grants": ended},
            )

    async def forget_with_sessions(self, tx: Tx, ending: Ending) -> None:
        """Forget what a user's apps have not fetched yet, and for some reasons all they may have.

        Threats: a device that its user was talked into allowing waits until all others are signed
        out, and then asks for its tokens. A stranger who used the address before its owner allows
        an app, which then gets what it asks for of the owner, unasked.
        """
        await queries.delete_unused_codes(tx, ending.user_id)
        await device_queries.delete_unused(tx, ending.user_id)
        if ending.reason in _FORGETTING:
            await queries.delete_consents(tx, ending.user_id)

    async def forget_of_client(self, tx: Tx, client_id: UUID) -> None:
        """Forget what an app has been promised, and asks for, once it is disabled or deleted."""
        await queries.delete_of_client(tx, client_id)
        await device_queries.delete_of_client(tx, client_id)

    async def _end(self, tx: Tx, actor: Actor, user_id: UUID, client_id: UUID) -> None:
        """Take it, once the account is locked, which every exchange of a code shares."""
        reason = EndReason.OWNER if actor.user_id == user_id else EndReason.ADMIN
        client = await self.clients.get(tx, client_id)
        had_any, ended = await self._take(tx, user_id, client_id, reason)
        if client is None or not had_any:
            raise GrantNotFound
        await self.authority.record(
            tx,
            actor,
            Event.APP_REMOVED,
            user_id,
            old={"client_id": str(client_id), "name": client.name, "grants": ended},
        )

    async def _take(
        self, tx: Tx, user_id: UUID, client_id: UUID, reason: EndReason
    ) -> tuple[bool, int]:
        """Take all that an app has; return whether it had anything, and the number of grants."""
        consented = await queries.delete_consent(tx, user_id, client_id)
        # Threat: an app that has just been sent a code exchanges it afterwards.
        codes = await queries.delete_unused_codes(tx, user_id, client_id)
        codes += await device_queries.delete_unused(tx, user_id, client_id)
        ended = await self.grants.end_all_of(tx, user_id, client_id, reason)
        return bool(consented or codes or ended), ended


def _places_of(app: queries.ListedApp) -> Places | None:
    """Return what tells an app apart whose name is its own choice; None if it is one of ours."""
    if app.registered_by is Registrar.ADMINISTRATOR:
        return None
    hosts = dict.fromkeys(urlsplit(uri).netloc for uri in app.redirect_uris if is_https(uri))
    return Places(urlsplit(app.document).netloc if app.document else None, tuple(hosts))
