"""A client of Keyfob's own API: `Keyfob`, and `AsyncKeyfob` for asyncio.

with Keyfob("https://auth.example.com/auth") as keyfob:
    keyfob.sign_in("ada@example.com", password)
    print(keyfob.me()["email"])
"""

from keyfob_client.api.clients import AsyncKeyfob, Keyfob
from keyfob_client.api.errors import (
    ApiError,
    Conflict,
    Forbidden,
    InvalidCredentials,
    InvalidInput,
    MfaRequired,
    NotFound,
    NotReached,
    RecentSignInNeeded,
    SignedOut,
    TooManyRequests,
    TryAgainLater,
)
from keyfob_client.api.flow import Manners
from keyfob_client.api.stores import FileStore, MemoryStore, Store, Tokens

__all__ = [
    "ApiError",
    "AsyncKeyfob",
    "Conflict",
    "FileStore",
    "Forbidden",
    "InvalidCredentials",
    "InvalidInput",
    "Keyfob",
    "Manners",
    "MemoryStore",
    "MfaRequired",
    "NotFound",
    "NotReached",
    "RecentSignInNeeded",
    "SignedOut",
    "Store",
    "Tokens",
    "TooManyRequests",
    "TryAgainLater",
]
