"""Refusals of the room of accounts."""

from keyfob.core.problems import Problem


class EmailTaken(Problem):
    """An account with that address exists."""

    status = 409
    code = "email_taken"
    title = "An account with this e-mail already exists"


class EmailUnverified(Problem):
    """What is asked for waits until the account's address is proven.

    Threat: whoever typed the address first may be a stranger. A factor would stay theirs when the
    owner comes.
    """

    status = 403
    code = "email_unverified"
    title = "Verify your e-mail address first"


class UnprovenRole(Problem):
    """The account registered itself, and nobody has proven its address yet."""

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
