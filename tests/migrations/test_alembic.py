"""Alembic by hand, from the project's root, against whatever database the settings name."""

import asyncio
from pathlib import Path

import pytest
from tests.migrations.conftest import Alembic, run_alembic

from keyfob.boot import complete, schema_is_current
from keyfob.core.database import Database
from keyfob.migrations.head import HEAD
from keyfob.settings import Settings

pytestmark = pytest.mark.slow

NEXT = f"{int(HEAD) + 1:04}"


def tables(dsn: str) -> set[str]:
    async def ask() -> set[str]:
        db = Database(dsn)
        await db.open()
        rows = await db.fetch(
            "SELECT relname, version_num FROM pg_class, alembic_version"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
        await db.close()
        return {row["relname"] for row in rows} | {row["version_num"] for row in rows}

    return asyncio.run(ask())


def test_upgrade_revision_and_downgrade(
    alembic: Alembic, checkout: Path, unmigrated_dsn: str
) -> None:
    versions = checkout / "src" / "keyfob" / "migrations" / "versions"
    where = {"KEYFOB_DATABASE_URL": unmigrated_dsn}  # and no key: a migration needs none

    alembic("upgrade", "head", **where)
    assert {"users", "sessions", "login_events", HEAD} <= tables(unmigrated_dsn)

    alembic("revision", "-m", "Give users a locale", **where)
    (made,) = versions.glob(f"{NEXT}_*.py")
    text = made.read_text()
    assert made.name == f"{NEXT}_give_users_a_locale.py"
    assert text.startswith('"""Give users a locale"""\n')
    assert f'revision = "{NEXT}"' in text.replace("'", '"')
    assert f'down_revision: str | None = "{HEAD}"' in text.replace("'", '"')

    said = run_alembic(checkout, "upgrade", "head", **where)
    assert said.returncode != 0
    assert "the revision has no SQL yet: write what it does, or delete its" in said.stdout
    assert HEAD in tables(unmigrated_dsn)

    up, down = text.split("def downgrade")
    made.write_text(
        up.replace('"""\n        """', '"CREATE TABLE locales (id int)"')
        + "def downgrade"
        + down.replace('"""\n        """', '"DROP TABLE locales"')
    )
    alembic("upgrade", "head", **where)
    assert {"locales", NEXT} <= tables(unmigrated_dsn)

    alembic("downgrade", "-1", **where)
    assert HEAD in tables(unmigrated_dsn)
    assert "locales" not in tables(unmigrated_dsn)


def test_the_embedded_database_where_none_is_named(alembic: Alembic, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg] # pydantic's own
    with complete(settings, founding=True) as running:
        assert not asyncio.run(schema_is_current(running))

    alembic("upgrade", "head", KEYFOB_DATA_DIR=str(tmp_path))

    with complete(settings) as running:
        assert asyncio.run(schema_is_current(running))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://kf:98?TopSecretTail@h/kf", "KEYFOB_DATABASE_URL: should have / ? # @ and"),
        ("postgresql://kf:TopSecretTail@127.0.0.1:1/kf", "The database does not answer"),
    ],
)
def test_what_alembic_cannot_use_is_one_line_without_a_password(
    checkout: Path, url: str, says: str
) -> None:
    said = run_alembic(checkout, "upgrade", "head", KEYFOB_DATABASE_URL=url)

    assert said.returncode != 0
    assert says in said.stdout + said.stderr
    assert "Traceback" not in said.stdout + said.stderr
    assert "TopSecretTail" not in said.stdout + said.stderr


def test_alembic_in_a_wrong_folder_makes_nothing_either(checkout: Path, tmp_path: Path) -> None:
    said = run_alembic(checkout, "upgrade", "head", KEYFOB_DATA_DIR=str(tmp_path / "none"))

    assert said.returncode != 0
    assert f"none is in {tmp_path}/none" in said.stdout + said.stderr
    assert "Traceback" not in said.stdout + said.stderr
    assert list(tmp_path.iterdir()) == []
