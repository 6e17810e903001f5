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
    REMOVER = "the owner; an administrator; null: the service, of what is too much"
    REVOKER = "the owner; a client that was shown it; null: the command line"


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
    USER_EMAIL_VERIFIED = "user.email_verified", Actor.OWNER, "The address was verified by a link"
    USER_SIGN_UP_REMOVED = (
        "user.sign_up_removed",
        Actor.SERVICE,
        "A waiting sign-up was removed, a week after its last link expired",
    )
    USER_PASSWORD_RECOVERED = (
        "user.password_recovered",
        Actor.OWNER,
        "A password was chosen by a link",
    )
    USER_PASSWORD_CHANGED = "user.password_changed", Actor.OWNER, "The password was changed"
    USER_EMAIL_CHANGED = "user.email_changed", Actor.OWNER, "The address was changed"
    USER_PROFILE_CHANGED = (
        "user.profile_changed",
        Actor.OWNER,
        "Name, language or time zone was changed; only the field is recorded",
    )
    USER_EXPORTED = "user.exported", Actor.OWNER, "The account was exported"
    USER_ERASURE_PLANNED = "user.erasure_planned", Actor.OWNER, "An erasure was planned"
    USER_ERASURE_CANCELLED = (
        "user.erasure_cancelled",
        Actor.OWNER,
        "A planned erasure was cancelled",
    )
    USER_ERASED = (
        "user.erased",
        Actor.SERVICE,
        "An account was erased, as its owner had planned",
    )

    USER_CREATED = "user.created", Actor.ADMINISTRATOR, "An account was created"
    USER_CHANGED = "user.changed", Actor.ADMINISTRATOR, "Role, status, address or name was changed"
    USER_DELETION_BEGUN = (
        "user.deletion_begun",
        Actor.ADMINISTRATOR,
        "Deletion has begun of an account with very many log entries, which are removed first",
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
        "A link for choosing another password was sent",
    )
    USERS_EXPORTED = (
        "users.exported",
        Actor.ADMINISTRATOR,
        "The list of users was exported; what was searched for is not recorded",
        Target.SERVICE,
    )
    USER_VOUCHED_FOR = (
        "user.vouched_for",
        Actor.COMMAND_LINE,
        "The address was marked as verified: `keyfob users mark-verified`",
    )

    USER_ROLE_GIVEN = "user.role_given", Actor.ADMINISTRATOR, "A further role was given"
    USER_ROLE_TAKEN = "user.role_taken", Actor.ADMINISTRATOR, "A further role was taken away"

    FACTOR_ADDED = "factor.added", Actor.OWNER, "A factor was added"
    FACTOR_RENAMED = (
        "factor.renamed",
        Actor.OWNER,
        "A factor was renamed; the names are not recorded",
    )
    FACTOR_REMOVED = "factor.removed", Actor.OWNER, "A factor was removed"
    FACTORS_RESET = "factors.reset", Actor.ADMINISTRATOR, "All factors of an account were removed"
    RECOVERY_CODES_RENEWED = (
        "recovery_codes.renewed",
        Actor.OWNER,
        "New recovery codes replaced the old ones",
    )
    PASSKEY_CLONED_COUNTER = (
        "passkey.cloned_counter",
        Actor.UNKNOWN,
        "The counter of a passkey that is not synced fell behind, so it was copied",
    )
    API_KEY_CREATED = "api_key.created", Actor.OWNER, "An API key was made"
    API_KEY_RENAMED = (
        "api_key.renamed",
        Actor.OWNER,
        "An API key was renamed",
    )
    API_KEY_REVOKED = (
        "api_key.revoked",
        Actor.REVOKER,
        "An API key was revoked, and every token that was given for it",
    )
    SESSION_REUSE_DETECTED = (
        "session.reuse_detected",
        Actor.UNKNOWN,
        "A used refresh token was presented after its grace time, which ended the session",
    )

    SESSION_REVOKED = (
        "session.revoked",
        Actor.CLIENT,
        "A client revoked a refresh token, and its session ended",
    )

    APP_ALLOWED = "app.allowed", Actor.OWNER, "An app may have what it asked for"
    APP_ALLOWED_ON_DEVICE = (
        "app.allowed_on_device",
        Actor.OWNER,
        "An app on another device may have what it asked for, by the code that it showed",
    )
    APP_REMOVED = "app.removed", Actor.REMOVER, "An app lost what it was allowed, and its tokens"
    CLIENT_CREATED = (
        "client.created",
        Actor.ADMINISTRATOR,
        "A client was registered",
        Target.CLIENT,
    )
    CLIENT_REGISTERED = (
        "client.registered",
        Actor.UNKNOWN,
        "A client registered itself",
        Target.CLIENT,
    )
    REGISTRATION_TOKEN_CREATED = (
        "registration_token.created",
        Actor.COMMAND_LINE,
        "A token was made with which programs register themselves",
        Target.SERVICE,
    )
    REGISTRATION_TOKEN_REMOVED = (
        "registration_token.removed",
        Actor.COMMAND_LINE,
        "A token with which programs register themselves was removed",
        Target.SERVICE,
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
        "A signing key was made (with `signs`, the next one of ID tokens); with `compromised`, "
        "older ones were dropped",
        Target.SERVICE,
    )
    OUTBOX_RETRIED = (
        "outbox.retried",
        Actor.ADMINISTRATOR,
        "A dead letter was made due again",
        Target.SERVICE,
    )
    OUTBOX_DROPPED = (
        "outbox.dropped",
        Actor.ADMINISTRATOR,
        "A dead letter was deleted",
        Target.SERVICE,
    )
    MAIL_TESTED = (
        "mail.tested",
        Actor.ADMINISTRATOR,
        "The mail server was tried; `well` tells whether it took our mails",
        Target.SERVICE,
    )
    AUDIT_BEGUN_ANEW = (
        "audit.begun_anew",
        Actor.COMMAND_LINE,
        "The chain of this log was broken, and was begun anew: `keyfob audit begin-anew`",
        Target.SERVICE,
    )
