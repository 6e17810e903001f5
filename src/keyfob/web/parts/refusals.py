"""The words of refusals on pages: a problem's code becomes a sentence that says what to do.

The titles of problems are for developers who call the API.
"""

from collections.abc import Mapping

from keyfob.core.locales import N_, gettext
from keyfob.passwords.errors import Reason

REFUSALS: Mapping[str, str] = {
    "account_blocked": N_(
        "This account is blocked. Ask the administrators why, if you do not know."
    ),
    "api_key_not_found": N_("This API key is no longer valid: it was revoked, or it has expired."),
    "bad_request": N_("The service cannot read what your browser sent. Go back and try again."),
    "body_too_large": N_("That is too much at once. Send less."),
    "client_gone": N_("The connection was lost. Try again."),
    "client_not_found": N_("There is no such client any more."),
    "count_differs": N_("The list has changed meanwhile. Look at it again, then decide."),
    "mixed_rights": N_(
        "A right that you chose at one API belongs to another chosen API by the same name. A "
        "program has its rights at all of its APIs: choose it at both, or register two programs."
    ),
    "unknown_app": N_(
        "The app that sent you here is not registered, asks to return to an unknown address, or "
        "has waited too long. Go back to it and begin again."
    ),
    "unknown_device": N_(
        "No device waits with this code. Codes live ten minutes and count once: type it again, or "
        "have the device show another."
    ),
    "unusable_document": N_(
        "The app describes itself in a document that cannot be read, or that does not fit. Its "
        "maker can mend that."
    ),
    "invalid_request_object": N_(
        "The app that sent you here asks in a way that is not valid. Go back to it and begin again."
    ),
    "cross_origin_request": N_("This came from another site, so nothing was done."),
    "database_unavailable": N_("The service cannot answer now. Try again in a moment."),
    "email_taken": N_("This address has an account already."),
    "email_unverified": N_("The e-mail address of the account must be verified first."),
    "factor_not_found": N_("This factor is gone, or setting it up took too long. Begin again."),
    "factor_required": N_("Your role needs a second factor. Add one, or sign in with it."),
    "forbidden": N_("You may not do this. If you need to, ask an administrator."),
    "head_too_large": N_(
        "Your browser sends too much. Delete the cookies of this site, then retry."
    ),
    "insufficient_user_authentication": N_("Show once more that it is you, then go on."),
    "grant_not_found": N_("This app has no access any more."),
    "internal_error": N_(
        "Something went wrong on our side. Try again; if that does not help, tell the "
        "administrators the number of the request."
    ),
    "invalid_credentials": N_("The address or the password is wrong."),
    "invalid_cursor": N_("The list has changed. Begin at its first page."),
    "invalid_factor": N_("That was not right, or it took too long. Try again."),
    "invalid_input": N_("Some of this cannot be used. Look at the fields that are marked."),
    "invalid_link": N_(
        "This link does not work: it was used, or it is too old. Ask for another one."
    ),
    "invalid_passkey": N_("This passkey cannot be used here. Try again, or take another device."),
    "invalid_refresh_token": N_("Your session has ended. Sign in again."),
    "invalid_token": N_("Your session has ended. Sign in again."),
    "job_not_found": N_("This mail does not wait any more, or its link has expired."),
    "last_admin": N_(
        "Nobody would be left to administer the service. Make somebody else an administrator first."
    ),
    "last_factor": N_(
        "The role needs a second factor, and this is the last one. Add another first."
    ),
    "method_not_allowed": N_("That cannot be done here. Go back and try again."),
    "mfa_required": N_("The account has a second factor. Present it to go on."),
    "no_factor": N_("There is no second factor yet. Add one first."),
    "no_password": N_("The account has no password yet. Ask for a link to choose one."),
    "no_signing_key": N_("The service cannot answer now. Try again in a moment."),
    "not_as_left": N_(
        "This can no longer be undone: the account was changed since, or it is too late."
    ),
    "not_found": N_("There is nothing here. Perhaps it is gone, or its address is mistyped."),
    "not_your_session": N_("That was not your session. Nobody was signed out."),
    "overloaded": N_("The service is very busy. Try again in a moment."),
    "own_account": N_("A change of many users leaves out your own account."),
    "passkey_taken": N_("This passkey is registered already."),
    "password_change_required": N_("Choose a password of your own first."),
    "request_timeout": N_("Your request took too long to arrive. Try again."),
    "resource_in_use": N_("Clients have this resource. Take it from them first."),
    "resource_taken": N_("There is a resource with this identifier already."),
    "role_in_use": N_("Users have this role. Take it from them first."),
    "role_not_found": N_("There is no such role, or the user does not have it."),
    "role_taken": N_("There is a role with this name already."),
    "secret_not_found": N_("The client does not have this secret any more."),
    "session_not_found": N_("This session has ended already."),
    "too_many_api_keys": N_("You have fifty API keys. Revoke one first."),
    "too_many_attempts": N_("Sign-in has failed too often. Wait a while, then try again."),
    "too_many_factors": N_("There are ten factors already. Remove one first."),
    "too_many_requests": N_("That was done too often. Wait a while, then try again."),
    "too_many_secrets": N_("The client has two secrets. Remove one first."),
    "unavailable": N_("The service cannot answer now. Try again in a moment."),
    "unknown_resource": N_("There is no such resource any more."),
    "unknown_role": N_("There is no such role any more."),
    "unknown_scope": N_("None of the client's resources has this scope."),
    "unsupported_encoding": N_("The service cannot read what your browser sent. Reload the page."),
    "unsupported_media_type": N_(
        "The service cannot read what your browser sent. Reload the page."
    ),
    "unsupported_transfer_coding": N_(
        "The service cannot read what your browser sent. Reload the page."
    ),
    "user_blocked": N_("This user is blocked. Unblock the account first."),
    "user_not_found": N_("There is no such user any more."),
    "weak_password": N_("Choose another password."),
}

WEAK: Mapping[Reason, str] = {
    "too_short": N_("This password is too short: it needs at least 8 characters."),
    "too_long": N_("This password is too long: 1,024 characters are the most."),
    "common": N_("This password is among those that are tried first. Choose another one."),
    "like_email": N_("This password is too much like the address or the name. Choose another one."),
    "breached": N_("This password is known from a data breach. Choose another one."),
}


def refusal(code: str) -> str:
    """Return the sentence of a problem's code; of an unknown code, that we made a mistake."""
    return gettext(REFUSALS.get(code, REFUSALS["internal_error"]))


def weakness(reason: Reason) -> str:
    """Return the sentence that says why a new password is refused."""
    return gettext(WEAK[reason])
