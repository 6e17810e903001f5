"""Protects Python services by access tokens of Keyfob, or of any issuer of RFC 9068 tokens."""

from keyfob_client.errors import (
    InsufficientAuthentication,
    InsufficientRole,
    InsufficientScope,
    InvalidToken,
    NoToken,
    Refused,
    RequestNotValid,
    Unavailable,
)
from keyfob_client.metrics import FeedState, Metrics
from keyfob_client.program import ClientKey, ClientSecret
from keyfob_client.token import AccessToken
from keyfob_client.verifier import AsyncVerifier, Verifier

__version__ = "0.1.0"

__all__ = [
    "AccessToken",
    "AsyncVerifier",
    "ClientKey",
    "ClientSecret",
    "FeedState",
    "InsufficientAuthentication",
    "InsufficientRole",
    "InsufficientScope",
    "InvalidToken",
    "Metrics",
    "NoToken",
    "Refused",
    "RequestNotValid",
    "Unavailable",
    "Verifier",
]
