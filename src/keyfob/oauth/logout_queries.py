"""SQL for sign-outs that apps ask for."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from keyfob.core.database import Executor


async def insert_request(
    db: Executor, handle_hash: bytes, asked: Mapping[str, Any], expires_at: datetime
) -> None:
    """Insert a request of an app."""
    await db.execute(
        """
        INSERT INTO logout_requests (handle_hash, asked, expires_at)
        VALUES ($1, $2::text::jsonb, $3)
        """,
        handle_hash,
        json.dumps(asked, default=str),
        expires_at,
    )


async def find_request(db: Executor, handle_hash: bytes, now: datetime) -> dict[str, Any] | None:
    """Return a request that has not expired."""
    asked = await db.fetchval(
        "SELECT asked::text FROM logout_requests WHERE handle_hash = $1 AND expires_at > $2",
        handle_hash,
        now,
    )
    return json.loads(asked) if asked else None


async def delete_request(db: Executor, handle_hash: bytes) -> None:
    """Delete a request."""
    await db.execute("DELETE FROM logout_requests WHERE handle_hash = $1", handle_hash)


async def delete_old_requests(db: Executor, before: datetime, at_most: int) -> int:
    """Delete requests that expired before a moment; return their number."""
    gone = await db.fetch(
        """
        DELETE FROM logout_requests WHERE ctid IN (
            SELECT ctid FROM logout_requests WHERE expires_at <= $1 LIMIT $2
               FOR UPDATE SKIP LOCKED
        ) RETURNING 1
        """,
        before,
        at_most,
    )
    return len(gone)
