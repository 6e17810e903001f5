"""Proofs, pending logins, and internal exceptions of sign-ins."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from keyfob.devices.device import Device
from keyfob.devices.source import Source
from keyfob.login_log.models import Reason, Seen


class Proof(NamedTuple):
    """The user whose identity was proven, and how.

    `amr` names the methods (RFC 8176); `reason` is the entry in the login log. `password_hash` is
    the hash that the password was checked against, None if there was no password. `seen` is what
    the login log knows of the place of this sign-in, None if it has not been read yet.
    """

    user_id: UUID
    amr: Sequence[str]
    reason: Reason
    source: Source
    password_hash: str | None = None
    seen: Seen | None = None


class PendingLogin(NamedTuple):
    """A pending login, and the methods used so far."""

    user_id: UUID
    amr: list[str]
    expires_at: datetime


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
