"""`python -m keyfob.migrations.run REVISION`: what the service starts to migrate; not for people.

The database is in KEYFOB_MIGRATE_DSN, so that no password stands in a list of processes.
"""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config


def main(target: str) -> None:
    """Upgrade to the target, or downgrade where it begins with a minus."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    (command.downgrade if target.startswith("-") or target == "base" else command.upgrade)(
        config, target
    )


if __name__ == "__main__":
    main(sys.argv[1])
