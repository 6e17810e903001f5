"""SQL of recovery codes."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from keyfob.core.database import Executor, Tx


async def replace_codes(tx: Tx, user_id: UUID, hashes: Sequence[bytes], now: datetime) -> None:
    """Give a user new recovery codes; the old ones are dead."""
    await tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
    await tx.execute(
        """
        INSERT INTO recovery_codes (user_id, code_hash, created_at)
        SELECT $1, code_hash, $3 FROM unnest($2::bytea[]) AS code_hash
        """,
        user_id,
        list(hashes),
        now,
    )


async def spend_code(tx: Tx, user_id: UUID, code_hash: bytes) -> bool:
    """Spend a recovery code; False if the user has no such one, or no longer.

    One DELETE: of two requests racing with one code, only one can win.
    """
    spent = await tx.fetchval(
        "DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2 RETURNING true",
        user_id,
        code_hash,
    )
    return bool(spent)


async def count_codes(db: Executor, user_id: UUID) -> int:
    """Return how many recovery codes a user has left."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM recovery_codes WHERE user_id = $1", user_id
    )
    return count


async def delete_codes(tx: Tx, user_id: UUID) -> None:
    """Drop a user's recovery codes."""
    await tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
