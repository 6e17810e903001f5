"""The catalogue of audit events. A test compares the list in the docs with it."""

from enum import StrEnum
from typing import Self


class Actor(StrEnum):
    """The kinds of actor of an event, as its `actor_id` shows them."""

    OWNER = "the owner"
    ADMINISTRATOR = "an administrator; null: the service, or the command line"
    SERVICE = "null: the service"
    CLIENT = "the client"
    COMMAND_LINE = "null: the command line"
    EITHER = "null: the service, or the command line"
    UNKNOWN = "null: anybody"


class Target(StrEnum):
    """The subject of an event, as its `target_id` shows it."""

    ACCOUNT = "the account"
    SERVICE = "null: the service"
    CLIENT = "the client"
    RESOURCE = "the resource"


class Event(StrEnum):
    """The name of an event, with its meaning, its actor and its target.

    Names never change: they are in the chain of old events, and clients search for them.
    """

    actor: Actor
    target: Target
    meaning: str

    def __new__(
        cls, name: str, actor: Actor, meaning: str, target: Target = Target.ACCOUNT
    ) -> Self:
        event = str.__new__(cls, name)
        event._value_ = name
        event.actor, event.target, event.meaning = actor, target, meaning
        return event

    USER_REGISTERED = "user.registered", Actor.OWNER, "An account was registered"
    USER_EMAIL_VERIFIED = "user.email_verified", Actor.OWNER, "A link proved the address"
    USER_SIGN_UP_REMOVED = (
        "user.sign_up_removed",
        Actor.SERVICE,
        "A sign-up that nobody proved was removed, a week after its last link died",
    )
    USER_PASSWORD_RECOVERED = "user.password_recovered", Actor.OWNER, "A link set a password"
    USER_PASSWORD_CHANGED = "user.password_changed", Actor.OWNER, "The password was changed"
    USER_EMAIL_CHANGED = "user.email_changed", Actor.OWNER, "The address was changed"
    USER_PROFILE_CHANGED = (
        "user.profile_changed",
        Actor.OWNER,
        "Name, language or time zone was changed: which of them, not what they say",
    )
    USER_EXPORTED = "user.exported", Actor.OWNER, "The account was exported"
    USER_ERASURE_PLANNED = "user.erasure_planned", Actor.OWNER, "The account is to be erased"
    USER_ERASURE_CANCELLED = "user.erasure_cancelled", Actor.OWNER, "The account stays after all"
    USER_ERASED = (
        "user.erased",
        Actor.SERVICE,
        "An account was erased when its owner's plan was due",
    )

    USER_CREATED = "user.created", Actor.ADMINISTRATOR, "An account was made"
    USER_CHANGED = "user.changed", Actor.ADMINISTRATOR, "Role, status, address or name was changed"
    USER_DELETION_BEGUN = (
        "user.deletion_begun",
        Actor.ADMINISTRATOR,
        "An account with very much in the logs is to go, and is taken out of them before",
    )
    USER_DELETED = "user.deleted", Actor.ADMINISTRATOR, "An account was deleted"
    USER_LOGGED_OUT = (
        "user.logged_out",
        Actor.ADMINISTRATOR,
        "All sessions of an account were ended",
    )
    USER_INVITED = "user.invited", Actor.ADMINISTRATOR, "An invitation was sent"
    USER_RECOVERY_STARTED = (
        "user.recovery_started",
        Actor.ADMINISTRATOR,
        "A link was sent that sets another password",
    )
    USER_VOUCHED_FOR = (
        "user.vouched_for",
        Actor.COMMAND_LINE,
        "The address was marked as verified: `keyfob users mark-verified`",
    )

    USER_ROLE_GIVEN = "user.role_given", Actor.ADMINISTRATOR, "A further role was given"
    USER_ROLE_TAKEN = "user.role_taken", Actor.ADMINISTRATOR, "A further role was taken away"

    FACTOR_ADDED = "factor.added", Actor.OWNER, "A factor was added"
    FACTOR_RENAMED = "factor.renamed", Actor.OWNER, "A factor was renamed; the names are not told"
    FACTOR_REMOVED = "factor.removed", Actor.OWNER, "A factor was removed"
    FACTORS_RESET = "factors.reset", Actor.ADMINISTRATOR, "All factors of an account were removed"
    RECOVERY_CODES_RENEWED = (
        "recovery_codes.renewed",
        Actor.OWNER,
        "Recovery codes were made, in place of those from before",
    )
    PASSKEY_CLONED_COUNTER = (
        "passkey.cloned_counter",
        Actor.UNKNOWN,
        "The count of a passkey that is not synced fell behind, so there are two of it",
    )
    SESSION_REUSE_DETECTED = (
        "session.reuse_detected",
        Actor.UNKNOWN,
        "A refresh token was used after its grace time, and its session ended",
    )

    SESSION_REVOKED = (
        "session.revoked",
        Actor.CLIENT,
        "A client revoked a refresh token, and its session ended",
    )

    CLIENT_CREATED = (
        "client.created",
        Actor.ADMINISTRATOR,
        "A client was registered",
        Target.CLIENT,
    )
    CLIENT_CHANGED = (
        "client.changed",
        Actor.ADMINISTRATOR,
        "A client was changed; what takes something from it ends its tokens",
        Target.CLIENT,
    )
    CLIENT_DELETED = (
        "client.deleted",
        Actor.ADMINISTRATOR,
        "A client was removed, with its secrets and tokens",
        Target.CLIENT,
    )
    CLIENT_SECRET_ADDED = (
        "client.secret_added",
        Actor.ADMINISTRATOR,
        "A secret was made for a client",
        Target.CLIENT,
    )
    CLIENT_SECRET_REMOVED = (
        "client.secret_removed",
        Actor.ADMINISTRATOR,
        "A secret of a client was removed, and its tokens ended",
        Target.CLIENT,
    )
    RESOURCE_CREATED = (
        "resource.created",
        Actor.ADMINISTRATOR,
        "A resource was registered",
        Target.RESOURCE,
    )
    RESOURCE_CHANGED = (
        "resource.changed",
        Actor.ADMINISTRATOR,
        "A resource was changed",
        Target.RESOURCE,
    )
    RESOURCE_DELETED = (
        "resource.deleted",
        Actor.ADMINISTRATOR,
        "A resource was removed: no more tokens are given for it",
        Target.RESOURCE,
    )

    ROLE_CREATED = (
        "role.created",
        Actor.ADMINISTRATOR,
        "A further role was defined",
        Target.SERVICE,
    )
    ROLE_CHANGED = (
        "role.changed",
        Actor.ADMINISTRATOR,
        "A further role got other permissions",
        Target.SERVICE,
    )
    ROLE_DELETED = (
        "role.deleted",
        Actor.ADMINISTRATOR,
        "A further role was removed",
        Target.SERVICE,
    )

    SIGNING_KEY_ROTATED = (
        "signing_key.rotated",
        Actor.EITHER,
        "A signing key was made; with `compromised` those from before were dropped",
        Target.SERVICE,
    )
    AUDIT_BEGUN_ANEW = (
        "audit.begun_anew",
        Actor.COMMAND_LINE,
        "The chain of this log was broken, and begins anew: `keyfob audit begin-anew`",
        Target.SERVICE,
    )
