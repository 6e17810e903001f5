"""SQL for revocations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from keyfob.authority.models import User, has_second_factor
from keyfob.core.database import Executor, Tx

# What a revocation names: a session, a grant or an API key (`sid`); a user or another subject; a
# client; or a single token, by its `jti`.
Kind: TypeAlias = Literal["session", "subject", "client", "token"]


@dataclass(frozen=True)
class Mark:
    """The place up to which revocations were read: the oldest open transaction, on one server."""

    server: str
    oldest_open: str


NOTHING_READ = Mark("", "0")


class Revocation(NamedTuple):
    """An id whose tokens up to a generation are refused, until a moment."""

    id: UUID
    generation: int
    revoked_at: datetime
    expires_at: datetime


def revoking(source: str, kind: str, now: str, expires_at: str) -> str:
    """Return SQL that revokes the `id, generation` rows of a source, and tells every worker.

    It consists of two expressions for a WITH clause, the second of which, `told`, must be selected.
    `kind`, `now` and `expires_at` are expressions, too.
    """
    return f"""
        written AS (
            INSERT INTO revocations AS r (kind, id, generation, revoked_at, expires_at)
            SELECT {kind}, id, generation, {now}, {expires_at} FROM {source} ORDER BY id
            ON CONFLICT (id) DO UPDATE
               SET generation = GREATEST(r.generation, EXCLUDED.generation),
                   revoked_at = EXCLUDED.revoked_at,
                   expires_at = GREATEST(r.expires_at, EXCLUDED.expires_at)
            RETURNING id, generation, expires_at
        ), told AS (
            SELECT pg_notify('keyfob', 'revoked ' || id || ' ' || generation || ' '
                             || (extract(epoch FROM {now}) * 1000)::bigint || ' '
                             || (extract(epoch FROM expires_at) * 1000)::bigint)
              FROM written
        )
    """  # noqa: S608 - expressions of this room


_GIVEN = "unnest($1::uuid[], $2::integer[]) AS t (id, generation)"
_REVOKE = f"""
WITH {revoking(_GIVEN, "$5", "$3::timestamptz", "$4")}
SELECT count(*) FROM told
"""  # noqa: S608 - likewise


async def revoke(
    tx: Tx,
    revoked: Sequence[tuple[UUID, int]],
    now: datetime,
    expires_at: datetime,
    kind: Kind = "session",
) -> None:
    """Revoke these ids up to these generations, until `expires_at`.

    Every worker is told at the commit.
    """
    if not revoked:
        return
    await tx.execute(
        _REVOKE,
        [of for of, _ in revoked],
        [generation for _, generation in revoked],
        now,
        expires_at,
        kind,
    )


async def list_revocations(db: Executor, now: datetime) -> list[Revocation]:
    """Return the revocations that may still concern a valid access token."""
    rows = await db.fetch(
        "SELECT id, generation, revoked_at, expires_at FROM revocations WHERE expires_at > $1", now
    )
    return [Revocation(*row) for row in rows]


async def list_revocations_since(
    db: Executor, mark: Mark, now: datetime
) -> tuple[Mark, list[Revocation]]:
    """Return the revocations that were written since a mark, and the next mark.

    The mark is the oldest transaction that was still open. Everything that an older one wrote was
    committed and seen then, or never will be; everything else is read, partly again. So nothing is
    missed in whatever order transactions commit, and nothing waits for a slow one. While one is
    open, at most all revocations that may still concern a valid token are read.

    All of these are read if the mark is of another server, such as a failed primary: its successor
    may have counted less far, and could assign the same numbers again.
    """
    rows = await db.fetch(
        """
        SELECT t.server, t.oldest_open::text,
               r.id, r.generation, r.revoked_at, r.expires_at
          FROM (SELECT pg_postmaster_start_time()::text AS server,
                       pg_snapshot_xmin(pg_current_snapshot()) AS oldest_open) AS t
          LEFT JOIN revocations AS r
            ON r.expires_at > $3
           AND r.written_by >= CASE WHEN t.server = $1 AND t.oldest_open >= $2::text::xid8
                                    THEN $2::text::xid8 ELSE '0' END
        """,
        mark.server,
        mark.oldest_open,
        now,
    )
    reached = Mark(rows[0]["server"], rows[0]["oldest_open"])
    return reached, [Revocation(*row[2:]) for row in rows if row["id"] is not None]


async def share_live_session(tx: Tx, caller: User, now: datetime) -> bool:
    """Tell whether the caller's session is live and this token of it is not revoked.

    The session cannot be ended before the commit then, nor lose a second factor that the token
    relies on: one that was removed meanwhile counts no more. Whether it was idle for too long is
    not checked: this call is activity.
    """
    lives = await tx.fetchval(
        """
        SELECT true FROM sessions AS s
         WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $4
           AND sub_gen <= $5 AND (NOT $6 OR 'mfa' = ANY(amr))
           AND NOT EXISTS (SELECT FROM revocations AS r WHERE r.id = s.id AND r.generation >= $3)
           FOR SHARE OF s
        """,
        caller.session_id,
        caller.user_id,
        caller.generation,
        now,
        caller.sub_gen,
        has_second_factor(caller.amr),
    )
    return bool(lives)
