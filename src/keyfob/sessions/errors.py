"""Refusals of the sessions room."""

from keyfob.core.problems import Problem


class InvalidRefreshToken(Problem):
    """Forged, unknown, ended, expired or reused: the answer is one, the log tells which."""

    status = 401
    code = "invalid_refresh_token"
    title = "The refresh token is not valid"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class SessionNotFound(Problem):
    """No live session of the caller's has that id."""

    status = 404
    code = "session_not_found"
    title = "Session not found"


class NotYourSession(Problem):
    """The refresh token belongs to somebody else; their session lives on."""

    status = 403
    code = "not_your_session"
    title = "This session belongs to another user"
