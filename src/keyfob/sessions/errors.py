"""Refusals about sessions."""

from keyfob.core.problems import Problem


class InvalidRefreshToken(Problem):
    """The token is forged, unknown, expired or reused, or its session ended; the log says which."""

    status = 401
    code = "invalid_refresh_token"
    title = "The refresh token is not valid"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class SessionNotFound(Problem):
    """The caller has no live session with that id."""

    status = 404
    code = "session_not_found"
    title = "Session not found"


class NotYourSession(Problem):
    """The refresh token belongs to another user, whose session continues."""

    status = 403
    code = "not_your_session"
    title = "This session belongs to another user"
