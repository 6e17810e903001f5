"""The OpenAPI document, in a form that client generators can process."""

from keyfob.openapi.serving import describe_api

__all__ = ["describe_api"]
