"""The only source of randomness: the operating system's generator (RFC 4086, NIST SP 800-90A)."""

import secrets as _secrets  # noqa: TID251 - the one place that may
from datetime import datetime
from uuid import UUID

compare_digest = _secrets.compare_digest


def random_bytes(count: int) -> bytes:
    """Return `count` unpredictable bytes."""
    return _secrets.token_bytes(count)


def random_text(count: int = 16) -> str:
    """Return `count` unpredictable bytes as URL-safe text, about 1.3 characters a byte."""
    return _secrets.token_urlsafe(count)


def random_word(letters: str, count: int) -> str:
    """Return `count` unpredictable letters."""
    return "".join(_secrets.choice(letters) for _ in range(count))


def new_id(now: datetime) -> UUID:
    """Return a UUIDv7 (RFC 9562 section 5.7): 48 bits of milliseconds, then 74 random bits.

    An id sorts by the time it was made and is no secret.
    """
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    chance = int.from_bytes(_secrets.token_bytes(10))
    value = (
        milliseconds << 80
        | 0x7 << 76
        | (chance >> 68) << 64
        | 0b10 << 62
        | chance & ((1 << 62) - 1)
    )
    return UUID(int=value)
