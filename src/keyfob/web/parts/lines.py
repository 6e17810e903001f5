"""The words of the logs, marked for the catalogues: a title and a line for each thing that happens.

A title names nobody. A line names those concerned in its holes: `actor`, `target`, and in the login
log `user`. `sentences.py` says them.
"""

from collections.abc import Mapping
from typing import NamedTuple

from keyfob.audit.events import Event
from keyfob.core.locales import N_
from keyfob.login_log.models import Reason


class Words(NamedTuple):
    """The name of an event in lists and filters, and its line in a log."""

    title: str
    line: str


EVENTS: Mapping[Event, Words] = {
    Event.USER_REGISTERED: Words(N_("Signed up"), N_("%(target)s signed up")),
    Event.USER_EMAIL_VERIFIED: Words(
        N_("E-mail address verified"), N_("%(target)s verified the e-mail address")
    ),
    Event.USER_SIGN_UP_REMOVED: Words(
        N_("Waiting sign-up removed"),
        N_("The sign-up %(target)s, which nobody verified, was removed"),
    ),
    Event.USER_PASSWORD_RECOVERED: Words(
        N_("Password chosen by a link"), N_("%(target)s chose a new password by a link")
    ),
    Event.USER_PASSWORD_CHANGED: Words(
        N_("Password changed"), N_("%(target)s changed the password")
    ),
    Event.USER_EMAIL_CHANGED: Words(
        N_("E-mail address changed"), N_("%(target)s changed the e-mail address")
    ),
    Event.USER_PROFILE_CHANGED: Words(N_("Profile changed"), N_("%(target)s changed the profile")),
    Event.USER_EXPORTED: Words(
        N_("Data exported"),
        N_("%(target)s exported the data of the account"),
    ),
    Event.USER_ERASURE_PLANNED: Words(
        N_("Erasure planned"), N_("%(target)s asked to erase the account")
    ),
    Event.USER_ERASURE_CANCELLED: Words(
        N_("Erasure cancelled"), N_("%(target)s kept the account: the erasure was cancelled")
    ),
    Event.USER_ERASED: Words(
        N_("Account erased"), N_("The account %(target)s was erased, as its owner had asked")
    ),
    Event.USER_CREATED: Words(
        N_("Account created"), N_("%(actor)s created the account %(target)s")
    ),
    Event.USER_CHANGED: Words(
        N_("Account changed"), N_("%(actor)s changed the account %(target)s")
    ),
    Event.USER_DELETION_BEGUN: Words(
        N_("Removal begun"), N_("%(actor)s began to remove the account %(target)s")
    ),
    Event.USER_DELETED: Words(
        N_("Account removed"), N_("%(actor)s removed the account %(target)s")
    ),
    Event.USER_LOGGED_OUT: Words(
        N_("Signed out by an administrator"), N_("%(actor)s ended all sessions of %(target)s")
    ),
    Event.USER_INVITED: Words(N_("Invitation sent"), N_("%(actor)s invited %(target)s")),
    Event.USER_RECOVERY_STARTED: Words(
        N_("Link for a new password sent"),
        N_("%(actor)s sent %(target)s a link for a new password"),
    ),
    Event.USER_VOUCHED_FOR: Words(
        N_("E-mail address vouched for"),
        N_("%(actor)s vouched for the e-mail address of %(target)s"),
    ),
    Event.USER_ROLE_GIVEN: Words(
        N_("Further role given"), N_("%(actor)s gave %(target)s the role %(role)s")
    ),
    Event.USER_ROLE_TAKEN: Words(
        N_("Further role taken away"), N_("%(actor)s took the role %(role)s from %(target)s")
    ),
    Event.FACTOR_ADDED: Words(N_("Second factor added"), N_("%(target)s added a second factor")),
    Event.FACTOR_RENAMED: Words(
        N_("Second factor renamed"), N_("%(target)s renamed a second factor")
    ),
    Event.FACTOR_REMOVED: Words(
        N_("Second factor removed"), N_("%(target)s removed a second factor")
    ),
    Event.FACTORS_RESET: Words(
        N_("Second factors reset"), N_("%(actor)s reset the second factors of %(target)s")
    ),
    Event.RECOVERY_CODES_RENEWED: Words(
        N_("Recovery codes renewed"), N_("%(target)s renewed the recovery codes")
    ),
    Event.PASSKEY_CLONED_COUNTER: Words(
        N_("Passkey probably copied"), N_("A passkey of %(target)s was probably copied")
    ),
    Event.API_KEY_CREATED: Words(N_("API key made"), N_("%(target)s made an API key")),
    Event.API_KEY_RENAMED: Words(N_("API key renamed"), N_("%(target)s renamed an API key")),
    Event.API_KEY_REVOKED: Words(
        N_("API key revoked"), N_("%(actor)s revoked an API key of %(target)s")
    ),
    Event.SESSION_REUSE_DETECTED: Words(
        N_("Session ended: its token was used twice"),
        N_("A session of %(target)s was ended, because its token was used twice"),
    ),
    Event.SESSION_REVOKED: Words(
        N_("Session ended by a client"), N_("%(actor)s ended a session of %(target)s")
    ),
    Event.USERS_EXPORTED: Words(
        N_("List of users exported"), N_("%(actor)s exported the list of users")
    ),
    Event.APP_ALLOWED: Words(N_("App allowed"), N_("%(actor)s let an app have what it asked for")),
    Event.APP_ALLOWED_ON_DEVICE: Words(
        N_("App allowed on another device"),
        N_("%(actor)s let an app on another device have what it asked for"),
    ),
    Event.APP_REMOVED: Words(
        N_("App removed"), N_("%(actor)s took from an app what it had of %(target)s")
    ),
    Event.CLIENT_CREATED: Words(
        N_("Client registered"), N_("%(actor)s registered the client %(target)s")
    ),
    Event.CLIENT_REGISTERED: Words(
        N_("Client registered itself"), N_("The client %(target)s registered itself")
    ),
    Event.REGISTRATION_TOKEN_CREATED: Words(
        N_("Registration token made"),
        N_("A token was made with which programs register themselves"),
    ),
    Event.REGISTRATION_TOKEN_REMOVED: Words(
        N_("Registration token removed"),
        N_("A token with which programs register themselves was removed"),
    ),
    Event.CLIENT_CHANGED: Words(
        N_("Client changed"), N_("%(actor)s changed the client %(target)s")
    ),
    Event.CLIENT_DELETED: Words(
        N_("Client removed"), N_("%(actor)s removed the client %(target)s")
    ),
    Event.CLIENT_SECRET_ADDED: Words(
        N_("Client secret made"), N_("%(actor)s made a secret for the client %(target)s")
    ),
    Event.CLIENT_SECRET_REMOVED: Words(
        N_("Client secret removed"), N_("%(actor)s removed a secret of the client %(target)s")
    ),
    Event.RESOURCE_CREATED: Words(
        N_("Resource registered"), N_("%(actor)s registered the resource %(target)s")
    ),
    Event.RESOURCE_CHANGED: Words(
        N_("Resource changed"), N_("%(actor)s changed the resource %(target)s")
    ),
    Event.RESOURCE_DELETED: Words(
        N_("Resource removed"), N_("%(actor)s removed the resource %(target)s")
    ),
    Event.ROLE_CREATED: Words(N_("Role defined"), N_("%(actor)s defined the role %(role)s")),
    Event.ROLE_CHANGED: Words(
        N_("Role changed"), N_("%(actor)s changed the permissions of the role %(role)s")
    ),
    Event.ROLE_DELETED: Words(N_("Role removed"), N_("%(actor)s removed the role %(role)s")),
    Event.SIGNING_KEY_ROTATED: Words(N_("Signing key made"), N_("%(actor)s made a signing key")),
    Event.OUTBOX_RETRIED: Words(N_("Dead letter retried"), N_("%(actor)s retried a dead letter")),
    Event.OUTBOX_DROPPED: Words(N_("Dead letter deleted"), N_("%(actor)s deleted a dead letter")),
    Event.MAIL_TESTED: Words(N_("Mail server tried"), N_("%(actor)s tried the mail server")),
    Event.AUDIT_BEGUN_ANEW: Words(
        N_("Audit log begun anew"), N_("%(actor)s began the chain of the audit log anew")
    ),
}

# `user.changed`, where one thing was changed: by the field, of the status by its new value.
CHANGES_OF_USERS: Mapping[str, Words] = {
    "blocked": Words(N_("Account blocked"), N_("%(actor)s blocked %(target)s")),
    "active": Words(N_("Account unblocked"), N_("%(actor)s unblocked %(target)s")),
    "role": Words(
        N_("Role of the account changed"), N_("%(actor)s changed the role of %(target)s")
    ),
    "email": Words(
        N_("E-mail address changed by an administrator"),
        N_("%(actor)s changed the e-mail address of %(target)s"),
    ),
    "name": Words(
        N_("Name changed by an administrator"), N_("%(actor)s changed the name of %(target)s")
    ),
}

REASONS: Mapping[Reason, Words] = {
    Reason.PASSWORD: Words(
        N_("Signed in with the password"), N_("%(user)s signed in with the password")
    ),
    Reason.PASSWORD_AND_CODE: Words(
        N_("Signed in with password and code"), N_("%(user)s signed in with password and code")
    ),
    Reason.PASSWORD_AND_RECOVERY_CODE: Words(
        N_("Signed in with password and recovery code"),
        N_("%(user)s signed in with password and recovery code"),
    ),
    Reason.PASSWORD_AND_PASSKEY: Words(
        N_("Signed in with password and passkey"),
        N_("%(user)s signed in with password and passkey"),
    ),
    Reason.PASSKEY: Words(N_("Signed in with a passkey"), N_("%(user)s signed in with a passkey")),
    Reason.REAUTHENTICATED: Words(
        N_("Sign-in repeated within a session"),
        N_("%(user)s repeated the sign-in within a session"),
    ),
    Reason.REGISTERED: Words(N_("Signed in by signing up"), N_("%(user)s signed in by signing up")),
    Reason.RECOVERED: Words(
        N_("New password chosen by a link"), N_("%(user)s chose a new password by a link")
    ),
    Reason.UNKNOWN_EMAIL: Words(
        N_("Unknown e-mail address"),
        N_("Somebody tried to sign in with an unknown e-mail address: %(user)s"),
    ),
    Reason.WRONG_PASSWORD: Words(
        N_("Wrong password"), N_("Somebody tried a wrong password for %(user)s")
    ),
    Reason.WRONG_FACTOR: Words(
        N_("Wrong code or passkey"), N_("Somebody presented a wrong second factor for %(user)s")
    ),
    Reason.FACTOR_NOT_SHOWN: Words(
        N_("Second factor not presented"),
        N_("Somebody knew the password of %(user)s, but presented no second factor"),
    ),
    Reason.WRONG_PASSKEY: Words(
        N_("Passkey refused"), N_("A sign-in of %(user)s with a passkey was refused")
    ),
    Reason.BLOCKED: Words(
        N_("Account is blocked"), N_("%(user)s could not sign in: the account is blocked")
    ),
    Reason.THROTTLED: Words(
        N_("Too many attempts"), N_("A sign-in of %(user)s was refused after too many attempts")
    ),
    Reason.CLIENT_LEFT: Words(
        N_("Connection lost"), N_("The connection was lost while %(user)s was signing in")
    ),
    Reason.UNVERIFIED: Words(
        N_("E-mail address not verified"), N_("The e-mail address of %(user)s was not verified")
    ),
    Reason.PASSWORD_CHANGE_REQUIRED: Words(
        N_("Password has to be changed"),
        N_("%(user)s could not sign in before choosing a password of their own"),
    ),
    Reason.LOGOUT: Words(N_("Signed out"), N_("%(user)s signed out")),
    Reason.LOGOUT_EVERYWHERE: Words(
        N_("Signed out everywhere"), N_("%(user)s signed out everywhere")
    ),
    Reason.ENDED_BY_OWNER: Words(
        N_("Session ended from another one"), N_("%(user)s ended a session from another one")
    ),
    Reason.ENDED_BY_ADMIN: Words(
        N_("Sessions ended by an administrator"),
        N_("The sessions of %(user)s were ended by an administrator"),
    ),
    Reason.FACTORS_RESET: Words(
        N_("Sessions ended: second factors reset"),
        N_("The sessions of %(user)s ended: the second factors were reset"),
    ),
    Reason.ACCOUNT_BLOCKED: Words(
        N_("Sessions ended: account blocked"),
        N_("The sessions of %(user)s ended: the account was blocked"),
    ),
    Reason.DELETED: Words(
        N_("Sessions ended: account removed"),
        N_("The sessions of %(user)s ended: the account was removed"),
    ),
    Reason.PASSWORD_CHANGED: Words(
        N_("Other sessions ended: password changed"),
        N_("The other sessions of %(user)s ended: the password was changed"),
    ),
    Reason.PASSWORD_RECOVERED: Words(
        N_("Sessions ended: password chosen by a link"),
        N_("The sessions of %(user)s ended: a new password was chosen by a link"),
    ),
    Reason.ADDRESS_PROVEN: Words(
        N_("Sessions ended: e-mail address verified by another"),
        N_("The sessions of %(user)s ended: the owner of the e-mail address verified it"),
    ),
    Reason.ADDRESS_MOVED: Words(
        N_("Sessions ended: e-mail address changed"),
        N_("The sessions of %(user)s ended: an administrator changed the e-mail address"),
    ),
    Reason.REUSE: Words(
        N_("Session ended: its token was used twice"),
        N_("A session of %(user)s ended: its token was used twice"),
    ),
    Reason.TOO_MANY_SESSIONS: Words(
        N_("Session ended: there were too many"),
        N_("The session of %(user)s that was quiet the longest ended: there were too many"),
    ),
    Reason.ENDED_BY_CLIENT: Words(
        N_("Session ended by a client"), N_("A session of %(user)s was ended by a client")
    ),
}

# The values of events that are shown as old and new, with their names.
FIELDS: Mapping[str, str] = {
    "access_token_ttl": N_("Lifetime of access tokens"),
    "auth_method": N_("Method of authentication"),
    "backchannel_logout_session_required": N_("Hears of single sessions that end"),
    "backchannel_logout_uri": N_("Where it hears of sign-outs"),
    "by_app": N_("Done by the app"),
    "disabled": N_("Disabled"),
    "dpop_bound": N_("Tokens are bound to a key"),
    "email": N_("E-mail address"),
    "erase_at": N_("To be erased"),
    "expires_at": N_("Ends"),
    "first_party": N_("Our own app"),
    "grants": N_("Grants"),
    "hosts": N_("Hosts that it leads back to"),
    "id_token_alg": N_("Algorithm of ID tokens"),
    "jwks": N_("Keys"),
    "jwks_uri": N_("Address of the keys"),
    "kind": N_("Kind of program"),
    "name": N_("Name"),
    "permissions": N_("Permissions"),
    "post_logout_redirect_uris": N_("Where people return to after they sign out"),
    "profile": N_("Security profile"),
    "redirect_uris": N_("Where people return to"),
    "require_par": N_("Requests have to be pushed"),
    "require_pkce": N_("Requests need PKCE"),
    "require_signed_request": N_("Requests have to be signed"),
    "resources": N_("Resources"),
    "role": N_("Role"),
    "rotate_refresh": N_("Refresh tokens change"),
    "scope": N_("Scope"),
    "scopes": N_("Scopes"),
    "self_registered": N_("Apps that registered themselves and lost it"),
    "sessions": N_("Sessions that ended"),
    "sessions_ended": N_("Sessions that ended"),
    "status": N_("Status"),
    "words": N_("What it is for"),
}

VALUES: Mapping[str, str] = {
    "active": N_("active"),
    "blocked": N_("blocked"),
    "admin": N_("administrator"),
    "moderator": N_("moderator"),
    "user": N_("user"),
    "true": N_("yes"),
    "false": N_("no"),
}
