"""Clients, found in memory by every request until they are revoked."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from keyfob.authority.models import App, Client, Held, Subject
from keyfob.clients import queries, self_registration_queries
from keyfob.clients.models import (
    AuthenticatedClient,
    ClientKind,
    ClientSecret,
    Holders,
    KnownClient,
    RegisteredClient,
    Registrar,
)
from keyfob.clients.self_registration import SelfRegistered
from keyfob.core.addresses import share_of_asker
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.machine_secrets import MachineSecrets, NewSecret
from keyfob.core.problems import DatabaseUnavailable, Unauthenticated
from keyfob.core.secrets import compare_digest, new_id
from keyfob.sessions.grants import Grants
from keyfob.sessions.revocations import Revocations

_REMEMBERED = timedelta(seconds=5)
_YOUNG = timedelta(seconds=1)
_MOST, _MOST_OF_STRANGERS = 10_000, 1_000
_FORGOTTEN = timedelta(hours=1)
_IDS_READ_ANEW = timedelta(hours=1)
_UNKNOWN, _UNKNOWN_OF_ALL = 20, 200  # that are asked for in a second, for one network and for all
_OVERLAP = timedelta(minutes=1)  # in which commits and clocks may differ
# An app that is taken off somebody's list may come back by the same id.
_KEPT_AFTER_USE = timedelta(days=90)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class _Memory(NamedTuple):
    known: KnownClient
    read_at: datetime


def _is_old(memory: _Memory, now: datetime) -> bool:
    return memory.read_at <= now - _FORGOTTEN


@dataclass(kw_only=True)
class Clients:
    """Finds clients, checks their secrets, and changes them in a caller's transaction.

    A client is kept in memory for seconds. Every change that takes something away from it begins a
    new generation and revokes the previous one; every worker is told at once, and reads the client
    again. A token issued meanwhile is of the old generation, and so revoked.
    """

    db: Database
    clock: Clock
    revocations: Revocations
    secrets: MachineSecrets
    self_registered: SelfRegistered
    grants: Grants
    most_unused: int = 10_000
    _known: OrderedDict[UUID, _Memory] = field(default_factory=OrderedDict)
    # Threat: strangers register large ones by the thousand, which fill the memory.
    _known_of_strangers: OrderedDict[UUID, _Memory] = field(default_factory=OrderedDict)
    _used: dict[UUID, tuple[bytes, datetime]] = field(default_factory=dict)
    _ids: set[UUID] = field(default_factory=set)
    _ids_read_at: datetime = _LONG_AGO
    _all_ids_read_at: datetime = _LONG_AGO
    _second: int = 0
    _asked: Counter[str] = field(default_factory=Counter)  # by network, in that second

    async def find(self, client_id: UUID, *, may_ask: bool = True) -> KnownClient | None:
        """Return a client that is not disabled, from memory if it was read within seconds.

        Without `may_ask`, only a client that was found before: that costs few queries, however many
        ask, because those that there are not cost none.
        """
        memory = self._recall(client_id)
        if memory is None and not (may_ask and self._may_exist(client_id)):
            return None
        if memory is None or not self._holds(memory):
            memory = await self._read(client_id)
        return memory.known if memory else None

    def _may_exist(self, client_id: UUID) -> bool:
        """Tell whether to ask the database for a client that is not in memory.

        Threat: guesses by the thousand, each with another id, cost a query each. Those of no client
        that `read_ids` has seen may be of a new one, so a few of them are asked for.
        """
        if client_id in self._ids:
            return True
        now, network = self.clock.timestamp(), share_of_asker()[0]
        if now != self._second:
            self._second, self._asked = now, Counter()
        if self._asked[network] >= _UNKNOWN or self._asked.total() >= _UNKNOWN_OF_ALL:
            return False
        self._asked[network] += 1
        return True

    async def read_ids(self) -> None:
        """Read the ids of the clients that were made since the last time; all of them at times.

        What strangers registered is forgotten where nobody has asked for it for an hour.
        """
        began, before = self.clock.now(), set(self._ids)
        if self._all_ids_read_at + _IDS_READ_ANEW <= began:
            found = await queries.list_ids(self.db, None)
            self._ids = {*found, *(self._ids - before)}
            self._all_ids_read_at = began
        else:
            self._ids.update(await queries.list_ids(self.db, self._ids_read_at - _OVERLAP))
        self._ids_read_at = began
        strangers = self._known_of_strangers
        for client_id in [one for one, known in strangers.items() if _is_old(known, began)]:
            del strangers[client_id]

    def _holds(self, memory: _Memory) -> bool:
        if memory.read_at + _REMEMBERED <= self.clock.now():
            return False
        client = memory.known.client
        return not self.revocations.kills(client.id, client.generation)

    async def _read(self, client_id: UUID) -> _Memory | None:
        now = self.clock.now()
        client = await queries.find_client(self.db, client_id)
        if client is None:
            self._ids.discard(client_id)
        if client is not None:
            client = self.self_registered.limit(client)
        if client is None or client.disabled_at is not None:
            self._known.pop(client_id, None)
            self._known_of_strangers.pop(client_id, None)
            return None
        secrets = tuple(await queries.list_secrets(self.db, client_id, now))
        return self._remember(_Memory(KnownClient(client, secrets), now))

    def _recall(self, client_id: UUID) -> _Memory | None:
        return self._known.get(client_id) or self._known_of_strangers.get(client_id)

    def _remember(self, memory: _Memory) -> _Memory:
        client = memory.known.client
        by, most = self._known, _MOST
        if client.is_self_registered:
            by, most = self._known_of_strangers, _MOST_OF_STRANGERS
        by[client.id] = memory
        by.move_to_end(client.id)
        if len(by) > most:
            by.popitem(last=False)
        return memory

    async def find_by_secret(
        self, client_id: UUID, text: str, *, may_ask: bool = True
    ) -> AuthenticatedClient | None:
        """Return the client that a secret belongs to; None if there is none, or it has expired.

        Without `may_ask`, also None if the client was not found before.
        """
        digests = self.secrets.digests(text)
        if not digests:
            return None
        known = await self.find(client_id, may_ask=may_ask)
        if known is None:
            return None
        if secret := self._match(known, digests):
            return AuthenticatedClient(known.client, secret.expires_at)
        # A secret that was made a moment ago may not be in memory yet.
        memory = self._recall(client_id)
        if may_ask and memory and memory.read_at + _YOUNG <= self.clock.now():
            memory = await self._read(client_id)
            if memory and (secret := self._match(memory.known, digests)):
                return AuthenticatedClient(memory.known.client, secret.expires_at)
        return None

    def _match(self, known: KnownClient, digests: Sequence[bytes]) -> ClientSecret | None:
        now, matched = self.clock.now(), None
        for secret in known.secrets:
            is_right = any(compare_digest(secret.digest, digest) for digest in digests)
            if is_right and (secret.expires_at is None or secret.expires_at > now):
                self._used[secret.id] = (digests[0], now)
                matched = secret
        return matched

    async def write_uses(self) -> None:
        """Write when secrets were last used, in one statement for the uses of some seconds.

        Raises:
            DatabaseUnavailable: nothing is lost, the next call writes them.
        """
        if self._used:
            used, self._used = self._used, {}
            try:
                await queries.write_uses(self.db, [(of, *use) for of, use in used.items()])
            except DatabaseUnavailable:
                self._used = {**used, **self._used}
                raise

    async def list_page(self, after: UUID | None, limit: int) -> list[RegisteredClient]:
        """Return a page of clients, including disabled ones, in the order of their creation."""
        return await queries.list_clients(self.db, after, limit)

    async def list_own_of_resource(self, db: Executor, identifier: str) -> list[RegisteredClient]:
        """Return the clients that one of ours gave a resource, disabled or not, oldest first."""
        return await queries.list_own_of_resource(db, identifier)

    async def count_holders(self, identifier: str, first: int) -> Holders:
        """Return how many clients have a resource, and the `first`; those of strangers come last.

        Of these, only those that a user has let in count.
        """
        return await queries.count_holders(self.db, identifier, first)

    async def take_scopes(
        self, tx: Tx, identifier: str, lost: Sequence[str], offered: Sequence[tuple[str, str]]
    ) -> int:
        """Take scopes that a resource has lost from clients of strangers; return their number.

        Their tokens end. A scope stays where it is `offered` by another resource of the client.
        """
        changed = await self_registration_queries.take_scopes(
            tx, identifier, lost, offered, self.clock.now()
        )
        await self.revocations.revoke_clients(tx, changed)
        for client_id, _ in changed:
            self._forget_after(tx, client_id)
        return len(changed)

    async def get(self, db: Executor, client_id: UUID) -> RegisteredClient | None:
        """Return the present state of a client, disabled or not; None if there is none."""
        return await queries.find_client(db, client_id)

    async def list_secrets(self, db: Executor, client_id: UUID) -> list[ClientSecret]:
        """Return the valid secrets of a client, oldest first."""
        return await queries.list_secrets(db, client_id, self.clock.now())

    async def lock(self, tx: Tx, client_id: UUID) -> RegisteredClient | None:
        """Return a client, locked until the commit; None if there is none."""
        return await queries.lock_client(tx, client_id)

    async def add(self, tx: Tx, client: RegisteredClient) -> None:
        """Add a client."""
        await queries.insert_client(tx, client)
        await self._announce(tx, client)
        self._forget_after(tx, client.id)
        tx.after_commit(partial(self._ids.add, client.id))

    async def change(self, tx: Tx, client: RegisteredClient, *, revokes: bool) -> RegisteredClient:
        """Write a client that `tx` has locked; with `revokes`, revoke all its earlier tokens."""
        if revokes:
            await self.revocations.revoke_client(tx, client.id, client.generation)
            client = client._replace(generation=client.generation + 1)
        client = client._replace(updated_at=self.clock.now())
        await queries.update_client(tx, client)
        if not revokes:  # else every worker hears of that
            await queries.announce_client(tx, client.id)
        await self._announce(tx, client)
        self._forget_after(tx, client.id)
        return client

    async def remove(self, tx: Tx, client: RegisteredClient) -> None:
        """Delete a client that `tx` has locked, and revoke all its tokens."""
        await self.revocations.revoke_client(tx, client.id, client.generation)
        await queries.delete_client(tx, client.id)
        await self._announce(tx, client)
        self._forget_after(tx, client.id)

    async def add_secret(
        self, tx: Tx, client_id: UUID, expires_at: datetime | None
    ) -> tuple[ClientSecret, NewSecret]:
        """Add a secret to a client that `tx` has locked; its text is shown once."""
        now, made = self.clock.now(), self.secrets.make()
        secret = ClientSecret(new_id(now), made.digest, now, expires_at, None)
        await queries.insert_secret(tx, client_id, secret)
        self._forget_after(tx, client_id)
        return secret, made

    async def remove_secret(self, tx: Tx, client_id: UUID, secret_id: UUID) -> bool:
        """Delete a secret; False if there is none. Use `change` to revoke what it was used for."""
        return await queries.delete_secret(tx, client_id, secret_id)

    async def put(self, tx: Tx, described: RegisteredClient) -> RegisteredClient:
        """Write a client as its document describes it now, and return it: it may be disabled.

        Threats: a document that says another way to authenticate than before is of another owner.
        And a client that comes back after its deletion would begin with the generation that was
        revoked then: nobody could tell its new tokens from the old ones. Its grants may not have
        ended yet either.
        """
        if await queries.insert_client(tx, described):
            await self.grants.end_of_client(tx, described.id, self.clock.now())
        before = await queries.lock_client(tx, described.id)
        if before is None or before.document != described.document:
            raise RuntimeError("two documents have one id")
        revoked = await self_registration_queries.find_last_revoked(tx, described.id)
        after = described._replace(
            access_token_ttl=before.access_token_ttl,
            generation=before.generation
            if revoked is None
            else max(before.generation, revoked + 1),
            created_at=before.created_at,
            disabled_at=before.disabled_at,
        )
        proof = (before.auth_method, before.jwks_uri)
        revokes = proof != (after.auth_method, after.jwks_uri)
        kept_until = described.kept_until or self.clock.now()
        await self_registration_queries.keep_client(tx, described.id, kept_until)
        tx.after_commit(partial(self._ids.add, described.id))
        return await self.change(tx, after, revokes=revokes)

    async def keep(self, tx: Tx, client_id: UUID) -> None:
        """Keep a client that nobody here has registered, to which a user lets something."""
        await self_registration_queries.keep_client(
            tx, client_id, self.clock.now() + _KEPT_AFTER_USE
        )

    async def is_full(self, by: Registrar) -> bool:
        """Tell whether there are too many clients of strangers to which no user lets anything."""
        most = self.most_unused
        return await self_registration_queries.count_unused(self.db, by, most) >= most

    async def clean_up(self) -> None:
        """Delete expired secrets, and self-registered clients on which nothing rests."""
        now = self.clock.now()
        await queries.delete_expired_secrets(self.db, now)
        await in_batches(partial(self_registration_queries.delete_unused, self.db, now))

    async def count_by_place(self) -> Counter[int | None]:
        """Count the valid secrets by the place of the secret key that made their digest."""
        return self.secrets.count_by_place(
            await queries.count_by_digest_key(self.db, self.clock.now())
        )

    async def list_names_of_old(self, limit: int) -> list[str]:
        """Return names of clients with a secret whose digest is by another key than the first."""
        key_id = self.secrets.key_id
        return await queries.list_names_of_others(self.db, key_id, self.clock.now(), limit)

    async def _announce(self, tx: Tx, client: RegisteredClient) -> None:
        # Threat: strangers have every worker read all origins again; `Origins` is read anyway.
        if client.kind is ClientKind.BROWSER and not client.is_self_registered:
            await queries.announce_browser_apps(tx)

    def _forget_after(self, tx: Tx, client_id: UUID) -> None:
        tx.after_commit(partial(self._read_anew, client_id))

    def hear(self, client_id: str) -> None:
        """Read a client again before it is used: another worker has changed it."""
        self._read_anew(UUID(client_id))

    def _read_anew(self, client_id: UUID) -> None:
        if memory := self._recall(client_id):
            self._remember(memory._replace(read_at=_LONG_AGO))

    async def permissions_of(self, tx: Tx, subject: Subject) -> Held:
        """Return the present permissions of a service account; see `ProgramStanding`.

        Each ends with the secret that the token was given for. Threat: the finder of a secret that
        ends makes one that does not.

        Raises:
            Unauthenticated: it is disabled or gone, or its token was revoked.
        """
        if not isinstance(subject, Client):
            raise Unauthenticated
        return dict.fromkeys(await self.share_scope(tx, subject), subject.ends_at)

    async def share_scope(self, tx: Tx, subject: Client | App) -> frozenset[str]:
        """Return the part of a token's scope that its client has, and may not lose in `tx`.

        Raises:
            Unauthenticated: it is disabled or gone, or its token was revoked.
        """
        scope = await queries.share_scope(
            tx, subject.client_id, subject.generation, subject.token_id
        )
        if scope is None:
            raise Unauthenticated
        return frozenset(scope) & frozenset(subject.scope)
