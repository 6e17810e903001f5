"""SQL for the outbox."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from keyfob.core.database import Executor, Tx
from keyfob.outbox.models import Amounts, StoredJob

_COLUMNS = """
    id, kind, user_id, payload, created_at, due_at, expires_at, attempts, failed_at, last_error
"""


async def insert_job(tx: Executor, job: StoredJob) -> None:
    """Insert a job, and tell every worker at the commit."""
    await tx.execute(
        """
        WITH added AS (
            INSERT INTO outbox (id, kind, user_id, payload, created_at, due_at, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
        )
        SELECT pg_notify('keyfob', 'outbox')
        """,
        *job[:7],
    )


async def insert_jobs(tx: Executor, jobs: Sequence[StoredJob]) -> None:
    """Insert jobs of one kind and one moment, and tell every worker at the commit."""
    first = jobs[0]
    await tx.execute(
        """
        WITH added AS (
            INSERT INTO outbox (id, kind, payload, created_at, due_at, expires_at)
            SELECT id, $3, payload, $4, $5, $6
              FROM unnest($1::uuid[], $2::bytea[]) AS t (id, payload)
        )
        SELECT pg_notify('keyfob', 'outbox')
        """,
        [job.id for job in jobs],
        [job.payload for job in jobs],
        first.kind,
        first.created_at,
        first.due_at,
        first.expires_at,
    )


async def take_due(
    db: Executor, kinds: Sequence[str], now: datetime, leased_until: datetime, limit: int
) -> list[StoredJob]:
    """Take up to `limit` due jobs; until the lease ends, no other worker sees them.

    Two workers at once take different rows. The limit is applied in a CTE of its own, which runs
    once: as a sub-select of the WHERE clause it could run again for each row, and take more.
    """
    rows = await db.fetch(
        f"""
        WITH due AS MATERIALIZED (
            SELECT id FROM outbox
             WHERE failed_at IS NULL AND due_at <= $2 AND kind = ANY ($1)
             ORDER BY due_at LIMIT $4
               FOR UPDATE SKIP LOCKED
        )
        UPDATE outbox SET due_at = $3, attempts = attempts + 1
          FROM due WHERE outbox.id = due.id
        RETURNING {_COLUMNS.replace(" id,", " outbox.id,")}
        """,  # noqa: S608 - a constant of this file
        list(kinds),
        now,
        leased_until,
        limit,
    )
    return [StoredJob(**row) for row in rows]


async def extend_leases(
    db: Executor, jobs: Sequence[UUID], attempts: Sequence[int], leased_until: datetime
) -> None:
    """Extend the leases of jobs, if nobody has taken them since.

    A locked job is skipped: it is being finished, or is deleted with its account. Waiting for it
    with other rows of the account locked could deadlock with the deletion of the account.
    """
    await db.execute(
        """
        WITH held AS (
            SELECT o.id
              FROM unnest($1::uuid[], $2::integer[]) AS t (id, attempts)
              JOIN outbox AS o ON o.id = t.id AND o.attempts = t.attempts AND o.failed_at IS NULL
               FOR UPDATE OF o SKIP LOCKED
        )
        UPDATE outbox SET due_at = $3 FROM held WHERE outbox.id = held.id
        """,
        list(jobs),
        list(attempts),
        leased_until,
    )


async def delete_job(db: Executor, job_id: UUID) -> bool:
    """Delete a job; False if it was gone."""
    return bool(await db.fetchval("DELETE FROM outbox WHERE id = $1 RETURNING true", job_id))


async def postpone(
    db: Executor, job_id: UUID, attempts: int, due_at: datetime, reason: str, kind: str
) -> None:
    """Put a job back, perhaps as another kind, unless somebody has taken it since."""
    await db.execute(
        """
        UPDATE outbox SET due_at = $3, last_error = $4, kind = $5
         WHERE id = $1 AND attempts = $2 AND failed_at IS NULL
        """,
        job_id,
        attempts,
        due_at,
        reason,
        kind,
    )


async def put_off(db: Executor, job_id: UUID, attempts: int, due_at: datetime, reason: str) -> None:
    """Put a job back that was not tried, unless somebody has taken it since."""
    await db.execute(
        """
        UPDATE outbox SET due_at = $3, last_error = $4, attempts = attempts - 1
         WHERE id = $1 AND attempts = $2 AND failed_at IS NULL
        """,
        job_id,
        attempts,
        due_at,
        reason,
    )


async def bury(db: Executor, job_id: UUID, attempts: int, now: datetime, reason: str) -> None:
    """Turn a job into a dead letter, unless somebody has taken it since."""
    await db.execute(
        """
        UPDATE outbox SET failed_at = $3, last_error = $4
         WHERE id = $1 AND attempts = $2 AND failed_at IS NULL
        """,
        job_id,
        attempts,
        now,
        reason,
    )


async def revive(
    db: Executor, job_ids: Sequence[UUID] | None, *, before: datetime, most: int
) -> list[UUID]:
    """Make so many that were dead letters before a moment due then; return their ids.

    Without ids all of them. Expired ones stay dead, as their links are. Locked ones are being
    deleted with their account.
    """
    rows = await db.fetch(
        """
        WITH dead AS (
            SELECT id FROM outbox
             WHERE failed_at <= $2
               AND ($1::uuid[] IS NULL OR id = ANY ($1))
               AND (expires_at IS NULL OR expires_at > $2)
             ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
        ), revived AS (
            UPDATE outbox SET failed_at = NULL, due_at = $2, attempts = 0
              FROM dead WHERE outbox.id = dead.id
            RETURNING outbox.id
        ), told AS (
            SELECT pg_notify('keyfob', 'outbox') WHERE EXISTS (SELECT FROM revived)
        )
        SELECT revived.id FROM revived LEFT JOIN told ON true ORDER BY revived.id
        """,
        None if job_ids is None else list(job_ids),
        before,
        most,
    )
    return [row["id"] for row in rows]


async def list_jobs(db: Executor, *, failed_only: bool, limit: int) -> list[StoredJob]:
    """Return jobs, oldest first."""
    rows = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM outbox
         WHERE NOT $1 OR failed_at IS NOT NULL
         ORDER BY created_at, id LIMIT $2
        """,  # noqa: S608 - a constant of this file
        failed_only,
        limit,
    )
    return [StoredJob(**row) for row in rows]


async def count_jobs(db: Executor) -> Amounts:
    """Return the number of waiting jobs and of dead letters."""
    (counted,) = await db.fetch(
        """
        SELECT count(*) FILTER (WHERE failed_at IS NULL) AS waiting,
               count(*) FILTER (WHERE failed_at IS NOT NULL) AS dead
          FROM outbox
        """
    )
    return Amounts(**counted)


async def count_by_key(
    db: Executor, id_bytes: int, *, waiting_only: bool
) -> list[tuple[bytes, int]]:
    """Return the number of payloads by the id of the secret key, which they begin with."""
    rows = await db.fetch(
        """
        SELECT substring(payload FROM 1 FOR $1) AS key_id, count(*) AS amount
          FROM outbox WHERE NOT $2 OR failed_at IS NULL GROUP BY 1
        """,
        id_bytes,
        waiting_only,
    )
    return [(row["key_id"], row["amount"]) for row in rows]


async def delete_dead_letter(tx: Tx, job_id: UUID) -> StoredJob | None:
    """Delete a dead letter, and return it; None if there is none with that id."""
    row = await tx.fetchrow(
        f"DELETE FROM outbox WHERE id = $1 AND failed_at IS NOT NULL RETURNING {_COLUMNS}",  # noqa: S608 - a constant of this file
        job_id,
    )
    return StoredJob(**row) if row else None


async def delete_dead(db: Executor, failed_before: datetime) -> None:
    """Delete dead letters that are older than a moment, except locked ones."""
    await db.execute(
        """
        DELETE FROM outbox
         WHERE id IN (SELECT id FROM outbox WHERE failed_at < $1 FOR UPDATE SKIP LOCKED)
        """,
        failed_before,
    )
