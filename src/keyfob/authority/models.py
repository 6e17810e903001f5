"""The subjects of requests, and their permissions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

from keyfob.core.database import Executor, Tx
from keyfob.core.locales import N_

# Distinguishes an API key from an access token in the same header.
# What an app may ask about the person who signs in (OpenID Connect Core sections 5.4 and 11). They
# are no permissions of our own API.
OPENID_SCOPES = ("openid", "profile", "email", "groups", "offline_access")

KEY_PREFIX = "kfk_"


class Role(StrEnum):
    """The roles of users, in ascending order; each includes the powers of those before it."""

    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Tell whether this role ranks at least as high as the other."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


class Permission(StrEnum):
    """A right in our own API; roles, scopes of clients and API keys use these names."""

    meaning: str

    def __new__(cls, name: str, meaning: str) -> "Permission":
        permission = str.__new__(cls, name)
        permission._value_ = name
        permission.meaning = meaning
        return permission

    ACCOUNT_READ = "account:read", N_("Read one's own account; every role has it")
    USERS_READ = "users:read", N_("List and read accounts, their sessions and their roles")
    USERS_WRITE = "users:write", N_("Make, change, invite, recover and remove accounts")
    SESSIONS_END = "sessions:end", N_("End the sessions of others")
    LOGINS_READ = "logins:read", N_("Read the login log")
    AUDIT_READ = "audit:read", N_("Read the audit log")
    CLIENTS_READ = "clients:read", N_("List and read clients and resources")
    CLIENTS_WRITE = (
        "clients:write",
        N_("Make, change and remove clients, their secrets and resources"),
    )
    ROLES_READ = "roles:read", N_("List and read the further roles")
    ROLES_WRITE = "roles:write", N_("Define further roles, give them and take them away")
    SERVICE_READ = "service:read", N_("Read the state and settings of the service, and its outbox")
    SERVICE_WRITE = "service:write", N_("Retry and drop dead letters, and test the mail server")
    REVOCATIONS_READ = "revocations:read", N_("Follow what was revoked, by the revocation feed")


# A moderator has no more rights than a user until a further role gives them: this role is for
# services that read it in the token. An administrator has all rights.
OF_ROLE: dict[str, frozenset[Permission]] = {
    Role.USER: frozenset({Permission.ACCOUNT_READ}),
    Role.MODERATOR: frozenset({Permission.ACCOUNT_READ}),
    Role.ADMIN: frozenset(Permission),
}


# Permissions that somebody holds, each with its end; None for good.
Held: TypeAlias = Mapping[str, datetime | None]


class RoleDefinition(NamedTuple):
    """A further role: its name and its permissions."""

    name: str
    permissions: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


class GivenRole(NamedTuple):
    """A further role that a user has, permanently or until it ends."""

    role: str
    given_at: datetime
    given_by: UUID | None
    expires_at: datetime | None


def has_second_factor(amr: Collection[str]) -> bool:
    """Tell whether a sign-in by these methods (RFC 8176) used more than one factor."""
    return "mfa" in amr


WEAK, STRONG = "aal1", "aal2"


def acr_of(amr: Collection[str]) -> str:
    """Return the `acr` of a sign-in: "aal2" with a second factor, else "aal1".

    Named after the authenticator assurance levels of NIST SP 800-63B, without claiming conformance.
    """
    return STRONG if has_second_factor(amr) else WEAK


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in user, as described by the claims of a verified access token.

    `roles` are the further ones. `is_restricted`: the role requires a second factor and this
    sign-in had none; such a user can do nothing but add one.
    """

    user_id: UUID
    session_id: UUID
    generation: int
    role: Role
    auth_time: datetime
    amr: tuple[str, ...]
    is_restricted: bool = False
    sub_gen: int = 0
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """A service account: a program with an access token that was issued for itself.

    `generation` is that of the client at that moment; `scope` limits the use of the token;
    `token_id` is its `jti`. The secret that the program showed ends at `ends_at`; None for good.
    """

    client_id: UUID
    generation: int
    scope: tuple[str, ...]
    token_id: UUID
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A program with an API key: it acts for its user, within the scope of the key."""

    key_id: UUID
    user_id: UUID
    scope: tuple[str, ...]
    role: Role
    roles: tuple[str, ...] = ()
    sub_gen: int = 0


@dataclass(frozen=True, slots=True)
class App:
    """An app with a token for our own API: it acts for its user, within the scope of the token.

    `user` is who has allowed it, as they had signed in then; their `session_id` is the grant's.
    `generation` is that of the client at that moment, and `token_id` the token's `jti`.
    """

    client_id: UUID
    generation: int
    user: User
    scope: tuple[str, ...]
    token_id: UUID

    @property
    def user_id(self) -> UUID:
        """The id of the user."""
        return self.user.user_id


Subject: TypeAlias = User | Client | ApiKey | App


def id_of(subject: Subject) -> UUID:
    """Return the id for the audit log: the client's, or the user's, also for a key or an app."""
    return subject.client_id if isinstance(subject, Client) else subject.user_id


def signed_in(subject: Subject) -> User | None:
    """Return the person whose sign-in a subject rests on: the user, or who has allowed an app."""
    if isinstance(subject, App):
        return subject.user
    return subject if isinstance(subject, User) else None


# The algorithms of proofs of a key (RFC 9449 section 5.1). RFC 9864 calls the first the second.
PROOF_ALGORITHMS = ("EdDSA", "Ed25519", "ES256", "PS256")
# The challenge for whoever shows a bound token without the proof of its key.
PROOF = f'DPoP algs="{" ".join(PROOF_ALGORITHMS)}"'
BOUND_TOKEN = f'{PROOF}, error="invalid_token"'


class Authenticator(Protocol):
    """Returns the subject of an access token; raises `Unauthenticated` if it is not valid.

    `jkt` is the key that the caller has proven to hold. A token that is bound to a key is valid
    with that one alone, and any other is not valid with a key (RFC 9449 section 7).
    """

    def authenticate(self, token: str, jkt: str | None = None) -> User | Client | App: ...

    def recognise(self, token: str, jkt: str | None = None) -> User | Client | App:
        """Do the same, but count no activity."""


class HolderProof(Protocol):
    """A valid proof that a caller holds a key."""

    @property
    def jkt(self) -> str:
        """The thumbprint of the key (RFC 7638)."""


class ProofChecker(Protocol):
    """Checks proofs that come with access tokens (RFC 9449 section 4.3)."""

    def of_token(self, given: Sequence[str], method: str, path: str, token: str) -> HolderProof:
        """Return the proof for a request of ours; raise a refusal if none is valid."""

    async def spend_with_token(self, proof: HolderProof) -> None:
        """Let it count, once, when the token is good; raise a refusal if it has counted before."""


class KeyAuthenticator(Protocol):
    """Returns the subject of an API key; raises `Unauthenticated` if it is not valid."""

    async def authenticate(self, text: str) -> ApiKey: ...


class LiveToken(NamedTuple):
    """A valid token or key, with its introspection (RFC 7662 section 2.2).

    It was issued to `client_id` (None: to no client) and is meant for `audience`; `members` are
    those of the response, without `active`, unless that is False. Where `scope_at` is given, each
    audience is told its own part of the scope alone. `userinfo` are claims that an app asked for by
    name.
    """

    client_id: str | None
    audience: tuple[str, ...]
    members: Mapping[str, object]
    scope_at: Mapping[str, Collection[str]] | None = None
    userinfo: tuple[str, ...] = ()

    def members_for(self, resources: Collection[str]) -> Mapping[str, object]:
        """Return the members for whoever has these resources.

        Threat: an API learns what else a key that was shown to it opens, and where.
        """
        if self.scope_at is None:
            return self.members
        theirs = [name for name in self.audience if name in resources]
        parts = frozenset(scope for name in theirs for scope in self.scope_at[name])
        told = [scope for scope in str(self.members["scope"]).split() if scope in parts]
        return {**self.members, "scope": " ".join(told), "aud": theirs}


class Introspector(Protocol):
    """Describes and revokes tokens of one kind that clients present."""

    async def find(self, text: str) -> LiveToken | None:
        """Return a token; None if it is not ours, or not valid any more."""

    async def revoke(self, text: str, client_id: UUID) -> None:
        """Revoke a token that `find` has returned, for that client; it may have ended since."""


class ProgramStanding(Protocol):
    """Checks the present rights of a program, in the transaction that changes something for it."""

    async def permissions_of(self, tx: Tx, subject: Subject) -> Held:
        """Return its permissions; raise `Unauthenticated` if it has no rights any more."""


class StepUp(Protocol):
    """Requires a recent sign-in, with a factor if the user has one (RFC 9470)."""

    async def ensure_recent(self, caller: User, db: "Executor | None" = None) -> None: ...

    async def ensure_factor(self, caller: User, db: "Executor | None" = None) -> None:
        """Check that the sign-in had a factor if the user has one; its age does not matter."""
