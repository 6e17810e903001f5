"""Search by what the application has folded, in the place of what the database's locale lowers.

May be run twice: the columns are committed before the rows are rewritten and the index is built.
"""

import asyncpg

from keyfob.core.folding import fold
from keyfob.migrations.running import build_index, drop_index, rewrite, run_sql

revision = "0015"
down_revision: str | None = "0014"
branch_labels: str | None = None
depends_on: str | None = None

keeps = "0015"  # an older release searches by the column that goes here


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE users
            ADD COLUMN IF NOT EXISTS email_folded text,
            ADD COLUMN IF NOT EXISTS name_folded text
        """
    )
    rewrite(
        "SELECT id, email, email_normal, name FROM users WHERE id > $1 ORDER BY id LIMIT $2",
        # Not what was changed since it was read.
        """
        UPDATE users SET email_folded = $2, name_folded = $3
         WHERE id = $1 AND email = $4 AND name IS NOT DISTINCT FROM $5
        """,
        _fold,
    )
    build_index(
        "users_folded",
        "ON users USING gin ((coalesce(email_folded, email_normal) || ' '"
        " || coalesce(name_folded, '')) gin_trgm_ops)",
    )
    run_sql("ALTER TABLE users DROP COLUMN IF EXISTS search_text")


def _fold(row: asyncpg.Record) -> tuple[object, ...]:
    folded, normal, name = fold(row["email"]), row["email_normal"], row["name"]
    return (
        row["id"],
        folded if folded == normal else f"{folded} {normal}",
        fold(name) if name is not None else None,
        row["email"],
        name,
    )


def downgrade() -> None:
    run_sql(
        """
        ALTER TABLE users
            ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS
                (lower(email) || ' ' || email_normal || ' ' || lower(coalesce(name, ''))) STORED;
        CREATE INDEX users_search ON users USING gin (search_text gin_trgm_ops)
        """
    )
    drop_index("users_folded")
    run_sql("ALTER TABLE users DROP COLUMN email_folded, DROP COLUMN name_folded")
