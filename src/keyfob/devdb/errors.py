"""Errors of the embedded PostgreSQL."""


class DevDbError(Exception):
    """The embedded PostgreSQL cannot be used; the message says why and what to do."""
