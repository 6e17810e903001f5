"""Columns with defaults, as a next release adds them: the old one writes rows without them."""

from keyfob.migrations.running import run_sql


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE users ADD COLUMN nickname text NOT NULL DEFAULT '';
        ALTER TABLE sessions ADD COLUMN risk smallint NOT NULL DEFAULT 0;
        ALTER TABLE sessions ADD CONSTRAINT sessions_risk CHECK (risk BETWEEN 0 AND 9) NOT VALID;
        ALTER TABLE sessions VALIDATE CONSTRAINT sessions_risk;
        """
    )


def downgrade() -> None:
    run_sql(
        """
        ALTER TABLE sessions DROP COLUMN risk;
        ALTER TABLE users DROP COLUMN nickname;
        """
    )
