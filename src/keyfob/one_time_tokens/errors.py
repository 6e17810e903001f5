"""The refusal of one-time tokens."""

from keyfob.core.problems import Problem


class InvalidLink(Problem):
    """Unknown, used, expired, overtaken by a newer one, or of another kind; never said which."""

    status = 400
    code = "invalid_link"
    title = "This link is no longer valid; ask for a new one"
