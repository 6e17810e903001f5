"""From the configuration to a running service."""

import asyncio
import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob import boot
from keyfob.accounts.service import Accounts
from keyfob.core.database import Database
from keyfob.migrations.head import HEAD
from keyfob.settings import Settings, WrongSetting

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parents[1] / "src"
PASSWORD = "quite another battery"


def bare(folder: Path, **changes: Any) -> Settings:
    return Settings(_env_file=None, data_dir=folder, **changes)  # type: ignore[call-arg] # pydantic's own


def run_python(code: str, *arguments: str, **more: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


MAKE_KEY = """
import sys
from pathlib import Path
from keyfob.boot import resolve_secret_key
from keyfob.settings import Settings
settings = Settings(_env_file=None, data_dir=Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(resolve_secret_key(settings, founding=True))
"""


def test_processes_that_start_at_once_make_one_private_key(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    processes = [run_python(MAKE_KEY, str(folder)) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    (key,) = {process.communicate(timeout=30)[0].splitlines()[-1] for process in processes}

    assert len(key) >= 64
    assert [path.name for path in folder.iterdir()] == ["secret-key"]
    assert stat.S_IMODE((folder / "secret-key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert boot.resolve_secret_key(bare(folder)) == key


def test_a_database_of_ones_own_needs_a_key_of_ones_own(tmp_path: Path) -> None:
    settings = bare(tmp_path, database_url="postgresql://db/keyfob")

    with pytest.raises(WrongSetting, match=r"^KEYFOB_SECRET_KEY: should be set when KEYFOB_DATA"):
        boot.resolve_secret_key(settings)
    assert list(tmp_path.iterdir()) == []


def test_one_instance_may_keep_its_key_in_the_data_folder(
    settings: Settings, tmp_path: Path
) -> None:
    ours = settings.model_copy(update={"secret_key": None, "make_secret_key": True})

    with boot.complete(ours, founding=True) as complete:
        assert complete.secret_keys == [(tmp_path / "secret-key").read_text().strip()]
        assert complete.dsn == settings.dsn
    with boot.complete(ours) as again:
        assert again.secret_keys == complete.secret_keys


def test_a_configured_key_is_used_and_none_is_made(tmp_path: Path) -> None:
    settings = bare(tmp_path, make_secret_key=True, secret_key="k" * 32)

    assert boot.resolve_secret_key(settings) == "k" * 32
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret-key").write_text("short\n")

    with pytest.raises(WrongSetting, match=r"secret-key: should hold at least 32 characters$"):
        boot.resolve_secret_key(bare(tmp_path))


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(WrongSetting, match=r"^KEYFOB_DATA_DIR: .*: Not a directory$"):
        boot.resolve_secret_key(bare(tmp_path / "file" / "data"), founding=True)


MIGRATE = """
import asyncio, sys
from keyfob import boot
from keyfob.settings import load_settings
settings = load_settings()
assert not asyncio.run(boot.schema_is_current(settings))
boot.migrate(settings)
assert asyncio.run(boot.schema_is_current(settings))
print(sorted({"sqlalchemy", "alembic", "mako"} & set(sys.modules)))
"""


def test_a_migration_leaves_nothing_of_its_libraries_in_the_service(
    unmigrated_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", unmigrated_dsn)

    said, wrong = run_python(MIGRATE, cwd=tmp_path).communicate(timeout=60)

    assert (said, wrong) == ("[]\n", "")


def test_the_dsn_is_in_no_list_of_processes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def run(command: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        seen.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    secret = SecretStr("postgresql://keyfob:hunter2@db/keyfob")
    boot.migrate(settings.model_copy(update={"database_url": secret}))

    assert len(seen) == 1
    assert not any("hunter2" in part for part in seen[0])


async def test_a_migration_that_fails_says_why_and_changes_nothing(
    unmigrated_dsn: str, settings: Settings
) -> None:
    db = Database(unmigrated_dsn)
    await db.open()
    await db.execute("CREATE TABLE sessions (id int)")
    url = SecretStr(unmigrated_dsn)

    says = r'failed: 0001_foundation: .*"sessions" already exists$'
    with pytest.raises(boot.CannotMigrate, match=says):
        boot.migrate(settings.model_copy(update={"database_url": url}))

    assert await db.fetchval("SELECT to_regclass('users') IS NULL")
    await db.close()


def test_a_fault_that_sqlalchemy_explains_is_told_without_the_explanation(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Traceback:\nProgrammingError: permission denied\n(Background on this error at: ...)\n"
    failed = subprocess.CompletedProcess(["alembic"], 1, "", said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)

    with pytest.raises(boot.CannotMigrate, match=r"^the migration failed: Prog.* denied$"):
        boot.migrate(settings)


async def test_a_schema_of_a_newer_release_is_current(settings: Settings, db: Database) -> None:
    assert await boot.schema_is_current(settings)
    await db.execute("UPDATE alembic_version SET version_num = '9999'")
    await db.execute("INSERT INTO schema_revisions VALUES ('9999', $1)", HEAD)
    try:
        assert await boot.schema_is_current(settings)
        await db.execute("UPDATE schema_revisions SET keeps = '9999' WHERE revision = '9999'")
        with pytest.raises(WrongSetting, match=r"^the schema is at 9999, which does not keep"):
            await boot.schema_is_current(settings)
    finally:
        await db.execute("DELETE FROM schema_revisions WHERE revision = '9999'")
        await db.execute("UPDATE alembic_version SET version_num = $1", HEAD)


async def test_instances_that_start_at_once_make_one_admin(
    settings: Settings, db: Database
) -> None:
    made = await asyncio.gather(*(boot.prepare(settings) for _ in range(4)))

    (admin,) = filter(None, made)
    email, password = admin
    assert email == "admin@example.com"
    assert password is not None
    users = await db.fetch("SELECT email, role, status FROM users")
    assert [tuple(user) for user in users] == [("admin@example.com", "admin", "active")]
    assert await db.fetchval("SELECT count(*) FROM signing_keys") == 1
    async with World(settings, MovableClock()) as world:
        await world.log_in(email, password)
        (event,) = await world.audit_log()
    assert (event["action"], event["actor_id"]) == ("user.created", None)


@pytest.mark.parametrize(("pages", "algorithms"), [(True, ["RS256"]), (False, [])])
async def test_apps_find_the_key_of_id_tokens_before_anybody_signs_in(
    settings: Settings, db: Database, pages: bool, algorithms: list[str]
) -> None:
    settings = settings.model_copy(update={"pages": pages})

    await asyncio.gather(*(boot.prepare(settings) for _ in range(3)))

    made = await db.fetch("SELECT algorithm FROM id_token_keys")
    assert [key["algorithm"] for key in made] == algorithms


async def test_the_instance_that_came_second_takes_the_others_admin(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await boot.prepare(settings) is not None
    seen = iter([False, True])  # as if the other's commit fell between

    async def has_admin(_: Accounts) -> bool:
        return next(seen)

    monkeypatch.setattr(Accounts, "has_admin", has_admin)
    with capture_logs() as logs:
        assert await boot.prepare(settings) is None

    assert list(seen) == []
    assert "no_admin" not in [entry["event"] for entry in logs]


async def test_the_configured_password_is_the_admins(settings: Settings) -> None:
    given = {"admin_email": "Root@Example.com", "admin_password": SecretStr(PASSWORD)}

    assert await boot.prepare(settings.model_copy(update=given)) == ("Root@Example.com", None)

    async with World(settings, MovableClock()) as world:
        await world.log_in("root@example.com", PASSWORD)


async def test_a_second_start_makes_no_second_admin(settings: Settings, db: Database) -> None:
    assert await boot.prepare(settings) is not None
    other = {"admin_email": "other@example.com"}

    assert await boot.prepare(settings.model_copy(update=other)) is None
    assert await db.fetchval("SELECT count(*) FROM users") == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"admin_password": SecretStr("password")}, "KEYFOB_ADMIN_PASSWORD: "),
        ({"admin_password": SecretStr("admin@example.com")}, "KEYFOB_ADMIN_PASSWORD: "),
        ({"admin_email": "nobody"}, "KEYFOB_ADMIN_EMAIL: should be an e-mail address"),
    ],
)
async def test_an_admin_that_cannot_be_made_stops_the_start(
    settings: Settings, db: Database, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(WrongSetting) as refused:
        await boot.prepare(settings.model_copy(update=given))

    assert str(refused.value).startswith(says)
    assert await db.fetchval("SELECT count(*) FROM users") == 0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"admin_password": SecretStr("password")}, "KEYFOB_ADMIN_PASSWORD: "),
        ({"admin_email": "nobody"}, "KEYFOB_ADMIN_EMAIL: should be an e-mail address"),
    ],
)
def test_an_admin_that_cannot_be_made_is_told_before_a_database_is(
    settings: Settings, given: dict[str, Any], says: str
) -> None:
    first = settings.model_copy(update={"database_url": None, **given})

    with pytest.raises(WrongSetting) as refused:
        boot.check_first_admin(first)

    assert str(refused.value).startswith(says)
    boot.check_first_admin(settings.model_copy(update={"database_url": None}))
    # Where there is a database, it may have an administrator, and what is set no longer counts.
    boot.check_first_admin(settings.model_copy(update=given))


async def test_a_second_instance_without_an_issuer_is_warned(settings: Settings) -> None:
    with capture_logs() as logs:
        await boot.prepare(settings)
        async with World(settings, MovableClock()):
            await boot.prepare(settings)
            await boot.prepare(settings.model_copy(update={"issuer": "https://id.example.com"}))

    told = [entry for entry in logs if entry["event"] == "issuer_made_up"]
    assert [entry["issuer"] for entry in told] == ["http://localhost:8000/auth"]


async def test_a_user_with_the_admins_address_keeps_their_role(world: World) -> None:
    await world.make_user("admin@example.com")

    with capture_logs() as logs:
        assert await boot.prepare(world.app.state.settings) is None

    assert "no_admin" in [entry["event"] for entry in logs]
    assert await world.db.fetchval("SELECT role FROM users") == "user"


async def test_another_secret_key_than_the_databases_stops_the_start(settings: Settings) -> None:
    await boot.prepare(settings)
    other = {"secret_key": SecretStr("another secret key, which the database never saw")}

    with pytest.raises(WrongSetting, match=r"^KEYFOB_SECRET_KEY: .* cannot be opened") as refused:
        await boot.prepare(settings.model_copy(update=other))
    assert "another" not in str(refused.value)


async def test_services_are_let_go_of_whatever_happens(settings: Settings) -> None:
    with suppress(ZeroDivisionError):
        async with boot.services_of(settings) as wiring:
            assert await wiring.db.fetchval("SELECT 1") == 1
            raise ZeroDivisionError

    assert wiring.db.size == 0
