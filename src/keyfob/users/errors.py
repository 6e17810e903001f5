"""Refusals of the users room."""

from keyfob.core.problems import Problem


class EmailTaken(Problem):
    """An account with that address exists."""

    status = 409
    code = "email_taken"
    title = "There is an account with this e-mail already"


class UserNotFound(Problem):
    """No user has that id."""

    status = 404
    code = "user_not_found"
    title = "There is no such user"


class LastAdmin(Problem):
    """The change would leave nobody who may administer."""

    status = 409
    code = "last_admin"
    title = "The last active administrator must stay one"
