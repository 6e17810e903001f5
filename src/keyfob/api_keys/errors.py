"""Refusals about API keys."""

from keyfob.core.problems import Problem


class KeyNotFound(Problem):
    """The caller has no API key with that id."""

    status = 404
    code = "api_key_not_found"
    title = "API key not found"


class TooManyKeys(Problem):
    """The caller has as many API keys as a user may have."""

    status = 409
    code = "too_many_api_keys"
    title = "You have too many API keys; revoke one first"
