"""Each revocation records the transaction that wrote it last, for workers that poll.

A time or a sequence would not do: they are assigned before the commit, so that a row can appear
below a mark that has passed it. The default and the trigger are in the database, so a release that
does not know the column writes it, too. The table is short, and its index quickly built.
"""

from keyfob.migrations.running import run_sql

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE revocations
            ADD COLUMN written_by xid8 NOT NULL DEFAULT pg_current_xact_id();
        CREATE INDEX revocations_written ON revocations (written_by);

        CREATE FUNCTION mark_revocation() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.written_by := pg_current_xact_id();
            RETURN NEW;
        END $$;
        CREATE TRIGGER revocations_mark BEFORE UPDATE ON revocations
            FOR EACH ROW EXECUTE FUNCTION mark_revocation();
        """
    )


def downgrade() -> None:
    run_sql(
        """
        DROP TRIGGER revocations_mark ON revocations;
        DROP FUNCTION mark_revocation;
        ALTER TABLE revocations DROP COLUMN written_by;
        """
    )
