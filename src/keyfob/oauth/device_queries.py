"""SQL for devices that ask for a user."""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from uuid import UUID

from keyfob.core.database import Executor, Tx
from keyfob.devices.device import describe_device
from keyfob.devices.source import Source
from keyfob.sessions.models import AskingFrom, Granted


class Request(NamedTuple):
    """The request of a device, and its source."""

    client_id: UUID
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    nonce: str | None
    source: Source


class Claimed(NamedTuple):
    """A request that a user may decide about."""

    device_hash: bytes
    client_id: UUID
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    ip_address: IPv4Address | IPv6Address | None
    browser: str | None
    os: str | None
    created_at: datetime


class Polled(NamedTuple):
    """The state of a request when its device asked; `was_early` if that was too soon."""

    was_early: bool
    has_expired: bool
    is_decided: bool
    is_allowed: bool
    is_spent: bool


class SpentDevice(NamedTuple):
    """A request that was allowed and is used now: whose it is, and what it stands for."""

    user_id: UUID
    granted: Granted
    nonce: str | None


async def insert_request(
    db: Executor,
    device_hash: bytes,
    user_code_hash: bytes,
    asked: Request,
    *,
    interval: int,
    now: datetime,
    expires_at: datetime,
    most: int,
) -> bool:
    """Insert a request; False if a code of it is taken, or `most` of the client's wait."""
    device = describe_device(asked.source.user_agent)
    inserted = await db.fetchval(
        """
        INSERT INTO device_requests
               (device_hash, user_code_hash, client_id, scope, audience, nonce, ip_address,
                browser, os, poll_seconds, created_at, expires_at)
        SELECT $1, $2, id, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM clients
         WHERE id = $3 AND (SELECT count(*) FROM (
                   SELECT FROM device_requests
                    WHERE client_id = $3 AND expires_at > $11 AND spent_at IS NULL
                    LIMIT $13) AS few) < $13
        ON CONFLICT DO NOTHING
        RETURNING true
        """,
        device_hash,
        user_code_hash,
        asked.client_id,
        list(asked.scope),
        list(asked.audience),
        asked.nonce,
        asked.source.address,
        device.browser,
        device.os,
        interval,
        now,
        expires_at,
        most,
    )
    return bool(inserted)


async def claim_request(db: Executor, user_code_hash: bytes, user_id: UUID, now: datetime) -> bool:
    """Give a request to the user who was the first to type its code; False if it is another's."""
    claimed = await db.fetchval(
        """
        UPDATE device_requests SET user_id = $2
         WHERE user_code_hash = $1 AND expires_at > $3 AND decided_at IS NULL
           AND (user_id IS NULL OR user_id = $2)
        RETURNING true
        """,
        user_code_hash,
        user_id,
        now,
    )
    return bool(claimed)


async def find_claimed(
    db: Executor, user_code_hash: bytes, user_id: UUID, now: datetime
) -> Claimed | None:
    """Return a request that waits for the decision of a user."""
    row = await db.fetchrow(
        """
        SELECT device_hash, client_id, scope, audience, ip_address, browser, os, created_at
          FROM device_requests
         WHERE user_code_hash = $1 AND user_id = $2 AND expires_at > $3 AND decided_at IS NULL
        """,
        user_code_hash,
        user_id,
        now,
    )
    if row is None:
        return None
    device_hash, client_id, scope, audience, *where = row
    return Claimed(device_hash, client_id, tuple(scope), tuple(audience), *where)


async def decide_request(
    tx: Tx,
    device_hash: bytes,
    user_id: UUID,
    opened_from: UUID | None,
    now: datetime,
    *,
    scope: Sequence[str] = (),
) -> bool:
    """Write a decision, once: `opened_from` is the session that allows a scope, None refuses it."""
    decided = await tx.fetchval(
        """
        UPDATE device_requests SET decided_at = $4, opened_from = $3, scope = $5
         WHERE device_hash = $1 AND user_id = $2 AND expires_at > $4 AND decided_at IS NULL
        RETURNING true
        """,
        device_hash,
        user_id,
        opened_from,
        now,
        list(scope),
    )
    return bool(decided)


async def poll_request(
    db: Executor, device_hash: bytes, client_id: UUID, now: datetime
) -> Polled | None:
    """Note that the device of a request asks, and return how that stands; None if there is none.

    Whoever asks too soon has to wait five seconds longer from now on (RFC 8628 section 3.5). A
    second is forgiven to clocks and networks.
    """
    row = await db.fetchrow(
        """
        UPDATE device_requests AS d
           SET polled_at = $3::timestamptz,
               poll_seconds = d.poll_seconds + CASE WHEN was.early THEN 5 ELSE 0 END
          FROM (SELECT device_hash,
                       COALESCE(
                           polled_at + make_interval(secs => poll_seconds - 1) > $3, false
                       ) AS early
                  FROM device_requests
                 WHERE device_hash = $1 AND client_id = $2 FOR UPDATE) AS was
         WHERE d.device_hash = was.device_hash
        RETURNING was.early, d.expires_at <= $3, d.decided_at IS NOT NULL,
                  d.opened_from IS NOT NULL, d.spent_at IS NOT NULL
        """,
        device_hash,
        client_id,
        now,
    )
    return Polled(*row) if row else None


async def spend_request(
    tx: Tx, device_hash: bytes, client_id: UUID, now: datetime
) -> SpentDevice | None:
    """Use an allowed request up; of any number of polls at once, only one can.

    The account's lock is shared first, as whoever takes from an app what it has holds it.
    """
    row = await tx.fetchrow(
        """
        WITH owner AS MATERIALIZED (
            SELECT id FROM users
             WHERE id = (SELECT user_id FROM device_requests WHERE device_hash = $1) FOR SHARE
        )
        UPDATE device_requests SET spent_at = $3
         WHERE device_hash = $1 AND client_id = $2 AND expires_at > $3 AND spent_at IS NULL
           AND opened_from IS NOT NULL AND user_id = (SELECT id FROM owner)
        RETURNING user_id, opened_from, scope, audience, nonce, ip_address, browser, os
        """,
        device_hash,
        client_id,
        now,
    )
    if row is None:
        return None
    user_id, opened_from, scope, audience, nonce, *device = row
    granted = Granted(client_id, opened_from, tuple(scope), tuple(audience))
    return SpentDevice(user_id, granted._replace(device=AskingFrom(*device)), nonce)


async def delete_unused(tx: Tx, user_id: UUID, client_id: UUID | None = None) -> int:
    """Delete requests that a user has claimed and an app, or any, has not used; return how many."""
    gone = await tx.fetch(
        """
        DELETE FROM device_requests
         WHERE user_id = $1 AND ($2::uuid IS NULL OR client_id = $2) AND spent_at IS NULL
        RETURNING 1
        """,
        user_id,
        client_id,
    )
    return len(gone)


async def delete_of_client(tx: Tx, client_id: UUID) -> None:
    """Delete requests of a client that it has not used."""
    await tx.execute(
        "DELETE FROM device_requests WHERE client_id = $1 AND spent_at IS NULL", client_id
    )


async def delete_old_requests(db: Executor, before: datetime, at_most: int) -> int:
    """Delete requests that expired before a moment; return their number."""
    gone = await db.fetch(
        """
        DELETE FROM device_requests WHERE ctid IN (
            SELECT ctid FROM device_requests WHERE expires_at <= $1 LIMIT $2
               FOR UPDATE SKIP LOCKED
        ) RETURNING 1
        """,
        before,
        at_most,
    )
    return len(gone)
