"""Pending logins, and internal exceptions of sign-ins."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from keyfob.devices.device import Device


class PendingLogin(NamedTuple):
    """A pending login, and the methods used so far."""

    user_id: UUID
    amr: list[str]


class PendingAttempt(NamedTuple):
    """An attempt that was counted, with the challenge for a passkey if there is one."""

    challenge: bytes | None


class EndedPendingLogin(NamedTuple):
    """A pending login that has ended, and the place where it was begun."""

    user_id: UUID
    attempts_left: int
    created_at: datetime
    address: str | None
    device: Device


class HashReplaced(Exception):
    """The hash that a password was checked against is no longer the account's.

    Either a parallel sign-in has stored a better hash of the same password, or the password has
    changed. It has to be checked again.
    """
