"""The refusal of a one-time token."""

from keyfob.core.problems import Problem


class InvalidLink(Problem):
    """The token is unknown, used, expired, replaced or of another kind; it is never said which."""

    status = 400
    code = "invalid_link"
    title = "This link is no longer valid; ask for a new one"
