"""Administration of clients and their secrets."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from keyfob.administration.authority import Actor, Authority, Powers
from keyfob.administration.errors import (
    ClientNotFound,
    SecretNotFound,
    TooManySecrets,
    UnknownResource,
)
from keyfob.administration.models import merged
from keyfob.administration.told_clients import difference, told
from keyfob.audit.events import Event
from keyfob.authority.models import Permission, User
from keyfob.clients.errors import UnknownScope
from keyfob.clients.models import (
    ClientChange,
    ClientSecret,
    IdTokenAlgorithm,
    Profile,
    RegisteredClient,
)
from keyfob.clients.registration import Unfit, ensure_fit, preset
from keyfob.clients.resources import Resources
from keyfob.clients.service import Clients
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.outbound import CannotFetch, Outbound
from keyfob.core.problems import InvalidInput, ensure_to_come
from keyfob.core.secrets import new_id
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox
from keyfob.sessions.grants import Grants
from keyfob.tokens.id_tokens import IdTokens

GRANTS_OF_CLIENT = "client.grants"

_NOT_CALLED = "should be https at a public address, or one that KEYFOB_OUTBOUND_ALLOW lists"

# Two, so that the new one can be deployed before the old one is removed.
_MOST_SECRETS = 2

# The fields by which a change may take rights from a client: then its tokens are revoked.
_NOT_BY_NAME = frozenset(
    {
        *("disabled", "changes_keys", "jwks", "jwks_uri", "changes_profile", "profile"),
        *("changes_logout_uri", "backchannel_logout_uri"),
    }
)
_TAKES_AWAY = (
    *("grants", "scope", "resources", "auth_method", "jwks", "jwks_uri", "dpop_bound", "profile"),
)


@dataclass(frozen=True, kw_only=True)
class ClientAdministration:
    """Registers clients; taking rights from one takes effect at once.

    A person needs a recent sign-in for every change, since a client outlives its creator. A program
    that may write clients needs none. Nobody can register or change a client whose scope contains a
    permission that they lack, nor give one a credential that works for longer than they have it.

    The key of an app's ID tokens is published before the app is registered: it may read the keys
    once, and then sign somebody in.
    """

    db: Database
    clients: Clients
    resources: Resources
    authority: Authority
    clock: Clock
    outbound: Outbound
    outbox: Outbox
    grants: Grants
    id_tokens: IdTokens
    # Forget what an app has been promised: wiring passes in what other rooms keep of it.
    on_end: list[Callable[[Tx, UUID], Awaitable[None]]] = field(default_factory=list)

    async def list_page(self, after: UUID | None, limit: int) -> list[RegisteredClient]:
        """Return a page of clients in the order of their creation."""
        return await self.clients.list_page(after, limit)

    async def get(self, client_id: UUID) -> RegisteredClient:
        """Return a client.

        Raises:
            ClientNotFound: there is none with that id.
        """
        client = await self.clients.get(self.db, client_id)
        if client is None:
            raise ClientNotFound
        return client

    async def list_secrets(self, client_id: UUID) -> list[ClientSecret]:
        """Return the valid secrets of a client, without their texts.

        Raises:
            ClientNotFound: there is none with that id.
        """
        await self.get(client_id)
        return await self.clients.list_secrets(self.db, client_id)

    async def create(self, actor: Actor, asked: RegisteredClient) -> RegisteredClient:
        """Register a client, which gets its id and times here.

        Raises:
            InvalidInput: a field does not fit the kind of the client.
            UnknownResource, UnknownScope: no resource has that identifier, or that scope.
            InsufficientAuthentication: the sign-in is not recent.
            Unauthenticated, Forbidden: see `Authority.ensure`; the same holds below.
        """
        now = self.clock.now()
        client = asked._replace(id=new_id(now), created_at=now, updated_at=now)
        _ensure_fits_kind(client)
        await self._ensure_may_be_told(client.backchannel_logout_uri)
        await self.id_tokens.prepare(client.id_token_alg)
        async with self.db.begin() as tx:
            powers = await ensure_may_write(tx, self.authority, actor)
            await self._ensure_fit(tx, powers, client)
            powers.ensure_outlast(_given_by(client), None)
            await self.clients.add(tx, client)
            await self.authority.record(
                tx, actor, Event.CLIENT_CREATED, client.id, new=told(client)
            )
        return client

    async def change(
        self,
        actor: Actor,
        client_id: UUID,
        changes: ClientChange,
        *,
        seen: Sequence[str] | None = None,
    ) -> RegisteredClient:
        """Change a client; if it loses rights, its tokens end at once.

        With `seen`, only what differs from these URIs is changed: see `merged`.

        Raises:
            ClientNotFound: there is none with that id.
            InvalidInput, UnknownResource, UnknownScope, InsufficientAuthentication: see `create`.
        """
        await self._ensure_may_be_told(changes.backchannel_logout_uri)
        if changes.id_token_alg is not None:
            await self.id_tokens.prepare(changes.id_token_alg)
        async with self.db.begin() as tx:
            before, powers = await self._lock(tx, actor, client_id)
            after = self._changed(before, changes, seen)
            _ensure_fits_kind(after)
            if (after.scope, after.resources) != (before.scope, before.resources):
                await self._ensure_fit(tx, powers, after)
            is_disabled = after.disabled_at is not None and before.disabled_at is None
            revokes = is_disabled or any(
                getattr(after, name) != getattr(before, name) for name in _TAKES_AWAY
            )
            old, new = difference(before, after)
            _ensure_not_described(before, new)
            if new and new != {"disabled": True}:
                powers.ensure_outlast(_given_by(after), None)
            if new:
                after = await self.clients.change(tx, after, revokes=revokes)
                await self._end_grants(tx, before, after)
                await self.authority.record(tx, actor, Event.CLIENT_CHANGED, client_id, old, new)
        return after

    def _changed(
        self, client: RegisteredClient, changes: ClientChange, seen: Sequence[str] | None
    ) -> RegisteredClient:
        given = {
            name: value
            for name, value in changes._asdict().items()
            if value is not None and name not in _NOT_BY_NAME
        }
        for name in ("redirect_uris", "post_logout_redirect_uris"):
            if seen is not None and name in given:
                given[name] = merged(getattr(client, name), seen, given[name])
        if changes.changes_keys:
            given |= {"jwks": changes.jwks, "jwks_uri": changes.jwks_uri}
        if changes.changes_profile:
            given = {**_set_by(changes.profile, client), **given, "profile": changes.profile}
        if changes.changes_logout_uri:
            given["backchannel_logout_uri"] = changes.backchannel_logout_uri
            if changes.backchannel_logout_uri is None:
                given.setdefault("backchannel_logout_session_required", False)
        if changes.disabled is not None and changes.disabled != (client.disabled_at is not None):
            given["disabled_at"] = self.clock.now() if changes.disabled else None
        return client._replace(**given)

    async def _end_grants(
        self, tx: Tx, before: RegisteredClient, after: RegisteredClient | None
    ) -> None:
        """End what an app has of its users, if it is disabled or deleted.

        Its tokens end at once; the grants may be very many, so a job ends them. Threat: an app is
        disabled because its refresh tokens were stolen, and they live again once it is enabled. So
        whatever the job has left ends before, and what an app has been promised is forgotten.
        """
        now, was_off = self.clock.now(), before.disabled_at is not None
        is_off = after is None or after.disabled_at is not None
        if was_off == is_off:
            return
        for forget in self.on_end:
            await forget(tx, before.id)
        if is_off:
            job = {"client_id": str(before.id), "before": now.isoformat()}
            await self.outbox.add(tx, GRANTS_OF_CLIENT, job)
        else:
            await self.grants.end_of_client(tx, before.id, now)

    async def end_grants(self, job: Job) -> None:
        """Do what `_end_grants` has put off, a batch in each transaction."""
        before = datetime.fromisoformat(job.payload["before"])
        await self.grants.end_of_client(self.db, UUID(job.payload["client_id"]), before)

    async def _ensure_may_be_told(self, logout_uri: str | None) -> None:
        """Check a URL that Keyfob is to call; each call checks it again (`core.outbound`).

        Raises:
            InvalidInput: it may not be called.
        """
        if logout_uri is None:
            return
        try:
            await self.outbound.ensure_may_call(logout_uri)
        except CannotFetch:
            raise InvalidInput(
                [{"pointer": "/body/backchannel_logout_uri", "detail": _NOT_CALLED}]
            ) from None

    async def delete(self, actor: Actor, client_id: UUID) -> None:
        """Delete a client, and revoke its tokens at once.

        Raises:
            ClientNotFound: there is none with that id.
            InsufficientAuthentication: the sign-in is not recent.
        """
        async with self.db.begin() as tx:
            client, _ = await self._lock(tx, actor, client_id)
            await self.clients.remove(tx, client)
            await self._end_grants(tx, client, None)
            await self.authority.record(tx, actor, Event.CLIENT_DELETED, client_id, told(client))

    async def add_secret(
        self, actor: Actor, client_id: UUID, expires_at: datetime | None
    ) -> tuple[ClientSecret, str]:
        """Create a secret of a client and return it; its text is shown only now.

        Raises:
            ClientNotFound: there is none with that id.
            TooManySecrets: it has two valid ones.
            InsufficientAuthentication: the sign-in is not recent.
        """
        ensure_to_come(expires_at, self.clock.now())
        async with self.db.begin() as tx:
            client, powers = await self._lock(tx, actor, client_id)
            powers.ensure_outlast(_given_by(client), expires_at)
            if len(await self.clients.list_secrets(tx, client_id)) >= _MOST_SECRETS:
                raise TooManySecrets
            secret, made = await self.clients.add_secret(tx, client_id, expires_at)
            await self.clients.change(tx, client, revokes=False)
            ends = expires_at.isoformat() if expires_at else None
            told = {"secret_id": str(secret.id), "expires_at": ends}
            await self.authority.record(tx, actor, Event.CLIENT_SECRET_ADDED, client_id, new=told)
        return secret, made.text

    async def remove_secret(self, actor: Actor, client_id: UUID, secret_id: UUID) -> None:
        """Delete a secret, and revoke the client's tokens at once, by whichever secret it got them.

        Threat: a finder of the secret has tokens, too, and nobody knows which ones.

        Raises:
            ClientNotFound, SecretNotFound: there is none with that id.
            InsufficientAuthentication: the sign-in is not recent.
        """
        async with self.db.begin() as tx:
            client, _ = await self._lock(tx, actor, client_id)
            if not await self.clients.remove_secret(tx, client_id, secret_id):
                raise SecretNotFound
            await self.clients.change(tx, client, revokes=True)
            told = {"secret_id": str(secret_id)}
            await self.authority.record(tx, actor, Event.CLIENT_SECRET_REMOVED, client_id, told)

    async def _lock(self, tx: Tx, actor: Actor, client_id: UUID) -> tuple[RegisteredClient, Powers]:
        powers = await ensure_may_write(tx, self.authority, actor)
        client = await self.clients.lock(tx, client_id)
        if client is None:
            raise ClientNotFound
        powers.ensure_cover(_permissions(client.scope))
        return client, powers

    async def _ensure_fit(self, tx: Tx, powers: Powers, client: RegisteredClient) -> None:
        own = self.resources.own
        offers = {one.identifier: one.scopes for one in (own, *await self.resources.list_all(tx))}
        if unknown := set(client.resources) - offers.keys():
            raise UnknownResource(extra={"unknown": sorted(unknown)})
        offered = {scope for identifier in client.resources for scope in offers[identifier]}
        if unknown := set(client.scope) - offered:
            raise UnknownScope(extra={"unknown": sorted(unknown)})
        powers.ensure_cover(_permissions(client.scope))


async def ensure_may_write(tx: Tx, authority: Authority, actor: Actor) -> Powers:
    """Check an actor who is about to change clients or resources, and return their powers.

    One such change is made at a time, by the lock on the administrators that `Authority.ensure`
    takes: clients and resources name each other.

    Raises:
        InsufficientAuthentication: a person's sign-in is not recent.
        Unauthenticated, Forbidden: see `Authority.ensure`.
    """
    powers = await authority.ensure(tx, actor, Permission.CLIENTS_WRITE)
    if isinstance(actor.caller, User):
        await authority.ensure_recent(tx, actor)
    return powers


def _permissions(scope: Collection[str]) -> frozenset[str]:
    """Return the permissions of our own API in a scope; scopes of other APIs do not count."""
    return frozenset(Permission) & frozenset(scope)


def _given_by(client: RegisteredClient) -> frozenset[str]:
    """Return the permissions that whoever gives a client what it has must hold for as long.

    Scopes of other APIs are given by the right to write clients alone. So is a client without any:
    an app learns of all who sign in by it, and whoever has a resource is shown its tokens.
    """
    return _permissions(client.scope) | {Permission.CLIENTS_WRITE}


def _set_by(profile: Profile | None, client: RegisteredClient) -> dict[str, Any]:
    """Return what a profile changes of a client; other ID tokens than RS256 may stay."""
    found = preset(profile, signs_in=bool(client.redirect_uris))
    if client.id_token_alg is not IdTokenAlgorithm.RS256:
        found.pop("id_token_alg", None)
    return found


def _ensure_fits_kind(client: RegisteredClient) -> None:
    try:
        ensure_fit(client)
    except Unfit as fault:
        raise InvalidInput([{"pointer": f"/body/{fault.field}", "detail": str(fault)}]) from None


def _ensure_not_described(client: RegisteredClient, changed: Collection[str]) -> None:
    """Check that a change leaves to the document of a client what the document says."""
    if client.document is not None and set(changed) - {"disabled", "access_token_ttl"}:
        detail = "its document says what it is; disabled and access_token_ttl can be changed"
        raise InvalidInput([{"pointer": "/body", "detail": detail}])
