"""The OpenAPI document: what the code says, in a form that generators of clients can read."""

from keyfob.openapi.serving import describe_api

__all__ = ["describe_api"]
