"""SQL of mail: who gets one."""

from uuid import UUID

from keyfob.core.database import Executor
from keyfob.mail.models import Recipient


async def find_recipient(tx: Executor, user_id: UUID) -> Recipient | None:
    """Return who gets what is written to an account."""
    row = await tx.fetchrow(
        "SELECT email, locale, name, email_verified_at IS NOT NULL AS is_verified"
        "  FROM users WHERE id = $1",
        user_id,
    )
    if row is None:
        return None
    return Recipient(row["email"], row["locale"], user_id, row["name"], row["is_verified"])
