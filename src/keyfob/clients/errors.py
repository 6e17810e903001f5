"""Refusals about what clients and keys may ask for."""

from keyfob.core.problems import Problem


class UnknownScope(Problem):
    """A client or a key is to have a scope that no resource offers that it is for: `unknown`."""

    status = 409
    code = "unknown_scope"
    title = "None of the resources offers one of these scopes"
