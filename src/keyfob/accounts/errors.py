"""Refusals about accounts."""

from keyfob.core.problems import Problem


class EmailTaken(Problem):
    """Another account has that address."""

    status = 409
    code = "email_taken"
    title = "An account with this e-mail already exists"


class EmailUnverified(Problem):
    """The request has to wait until the account's address is verified.

    Threat: the address may have been typed by a stranger, whose factor would still be there when
    the owner comes.
    """

    status = 403
    code = "email_unverified"
    title = "Verify your e-mail address first"


class UnprovenRole(Problem):
    """A higher role was asked for an account that registered itself and has proven no address."""

    status = 409
    code = "email_unverified"
    title = "The user's e-mail address is not verified yet; invite the user, or wait until it is"


class UserNotFound(Problem):
    """No user has that id."""

    status = 404
    code = "user_not_found"
    title = "User not found"


class LastAdmin(Problem):
    """The change would leave nobody who can sign in and administer."""

    status = 409
    code = "last_admin"
    title = "The last active administrator cannot be removed"
