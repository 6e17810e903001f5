"""The OpenAPI document, in a form that client generators can process."""

from keyfob.openapi.document import describe_api

__all__ = ["describe_api"]
