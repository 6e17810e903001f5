"""`python -m keyfob.migrations.run REVISION`: for the service, which starts it to migrate.

The database is in KEYFOB_MIGRATE_DSN, so that no list of processes shows its password. The last
line of the output says what went wrong.
"""

import sys
import traceback
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError


def main(target: str) -> None:
    """Upgrade to the target, or downgrade if it begins with a minus."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    try:
        (command.downgrade if target.startswith("-") or target == "base" else command.upgrade)(
            config, target
        )
    except (CommandError, DBAPIError, asyncpg.PostgresError, OSError) as fault:
        traceback.print_exc()
        # SQLAlchemy appends the statement to PostgreSQL's message.
        said = str(getattr(fault, "orig", fault)) or repr(fault)
        sys.exit(" ".join([*_revision_of(fault), *said.split()]))


def _revision_of(fault: BaseException) -> list[str]:
    """Return the name of the revision that failed; empty if the fault is not from a revision."""
    paths = [Path(frame.filename) for frame in traceback.extract_tb(fault.__traceback__)]
    return [f"{path.stem}:" for path in paths if path.parent.name == "versions"][-1:]


if __name__ == "__main__":
    main(sys.argv[1])
