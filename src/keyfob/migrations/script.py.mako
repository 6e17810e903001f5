"""${message}"""

from keyfob.migrations.running import run_sql

revision = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}
branch_labels: str | None = ${repr(branch_labels)}
depends_on: str | None = ${repr(depends_on)}
# Where releases before some revision no longer run on this schema: keeps = "NNNN", their first head.


def upgrade() -> None:
    run_sql(
        """
        """
    )


def downgrade() -> None:
    run_sql(
        """
        """
    )
