"""SQL for the sessions of browsers in which apps have signed people in, so that they hear the end.

A row stands for one app and one session, and goes with the notice that it causes.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from keyfob.core.database import Tx


class AppSignIn(NamedTuple):
    """An app in which somebody has signed in from a session of a browser."""

    session_id: UUID
    client_id: UUID
    user_id: UUID


_OF_ROW = "a.session_id, a.client_id, a.user_id"


async def insert_sign_in(tx: Tx, session_id: UUID, client_id: UUID) -> None:
    """Insert an app of a session, which `tx` has locked, unless it is there already."""
    await tx.execute(
        """
        INSERT INTO app_sign_ins (session_id, client_id, user_id, expires_at)
        SELECT s.id, c.id, s.user_id, s.expires_at FROM sessions AS s, clients AS c
         WHERE s.id = $1 AND c.id = $2
        ON CONFLICT DO NOTHING
        """,
        session_id,
        client_id,
    )


async def delete_ended(tx: Tx, user_id: UUID) -> list[AppSignIn]:
    """Delete the rows of a user's sessions that have ended, and return them."""
    rows = await tx.fetch(
        f"""
        DELETE FROM app_sign_ins AS a USING sessions AS s
         WHERE a.user_id = $1 AND s.id = a.session_id AND s.ended_at IS NOT NULL
        RETURNING {_OF_ROW}
        """,  # noqa: S608 - constants
        user_id,
    )
    return [AppSignIn(*row) for row in rows]


async def delete_expired(tx: Tx, now: datetime, at_most: int) -> list[AppSignIn]:
    """Delete rows of sessions that have expired, and return them."""
    rows = await tx.fetch(
        f"""
        DELETE FROM app_sign_ins AS a WHERE ctid IN (
            SELECT ctid FROM app_sign_ins WHERE expires_at <= $1 LIMIT $2
               FOR UPDATE SKIP LOCKED
        ) RETURNING {_OF_ROW}
        """,  # noqa: S608 - constants
        now,
        at_most,
    )
    return [AppSignIn(*row) for row in rows]
