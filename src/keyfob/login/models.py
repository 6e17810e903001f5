"""The state between two factors, and what a sign-in raises inside."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from keyfob.devices.device import Device


class PendingLogin(NamedTuple):
    """A sign-in that waits for a second factor, and what was shown so far."""

    user_id: UUID
    amr: list[str]


class PendingAttempt(NamedTuple):
    """An attempt that was taken, with what a passkey was asked to sign, if one was."""

    challenge: bytes | None


class EndedPendingLogin(NamedTuple):
    """A sign-in that waits no longer, and where it was begun."""

    user_id: UUID
    attempts_left: int
    created_at: datetime
    address: str | None
    device: Device


class HashReplaced(Exception):
    """The hash that a password was held against is not the account's any more.

    By a twin's better hash of the same password, or by another password: it is to be checked again.
    """
