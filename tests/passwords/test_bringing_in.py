"""`docs/imported-hashes.md` brings users in: its SQL is run as it stands, by the psql of Keyfob."""

import asyncio
import base64
import csv
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.core.database import Database
from keyfob.devdb.programs import Account, Programs
from keyfob.passwords.schemes import Argon2id, Bcrypt

PAGE = Path(__file__).parents[2] / "docs" / "imported-hashes.md"

# Of Keycloak's tables, what is asked for.
KEYCLOAK = """
CREATE SCHEMA keycloak;
CREATE TABLE keycloak.realm (id text, name text);
CREATE TABLE keycloak.user_entity (id text, realm_id text, email text, first_name text,
                                   last_name text, email_verified boolean, enabled boolean);
CREATE TABLE keycloak.credential (user_id text, type text, secret_data text, credential_data text);
"""


def sql_below(heading: str) -> str:
    below = PAGE.read_text("utf-8").partition(f"## {heading}\n")[2]
    found = re.search(r"(?ms)^```sql\n(.+?)^```$", below)
    assert found is not None
    return found[1]


async def psql(dsn: str, folder: Path, script: str, *options: str, path: str = "public") -> str:
    """Run a script in a folder as an operator would; return its output."""
    (folder / "script.sql").write_text(script, "utf-8")
    programs = Programs.for_account(Account(os.geteuid(), os.getegid(), borrowed=False))
    done = await asyncio.create_subprocess_exec(
        programs.folder / "psql",
        *("--no-psqlrc", "--tuples-only", "--file", "script.sql", *options, dsn),
        cwd=folder,
        env=os.environ | {"PGOPTIONS": f"-c search_path={path}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, faults = await done.communicate()
    assert (done.returncode, faults.decode()) == (0, "")
    return said.decode()


def write_users(folder: Path, rows: list[tuple[str, str, str, bool]]) -> None:
    with (folder / "users.csv").open("w", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


async def test_users_of_another_system_sign_in_and_what_was_left_out_is_named(
    world: World, empty_dsn: str, tmp_path: Path
) -> None:
    root = await world.make_admin()
    stored = Bcrypt(4).hash(PASSWORD)
    write_users(
        tmp_path,
        [
            ("Ada@example.com", "Ada", stored, True),
            ("bob@example.com", "", stored, False),
            ("carol@example.com", "Carol", "", True),
            ("root@example.com", "Root", stored, True),
            ("ada@exämple.com", "Ada", stored, True),
        ],
    )

    said = await psql(empty_dsn, tmp_path, sql_below("Bringing users in"), "--quiet")

    assert said.split() == ["root@example.com", "ada@exämple.com"]
    for email, proven in (("ada@example.com", True), ("bob@example.com", False)):
        me = (await world.me(await world.log_in(email))).json()
        assert me["email_verified"] is proven
    listed = await world.api.get("/admin/users?search=ada", headers=root.headers)
    assert [user["email"] for user in listed.json()] == ["Ada@example.com"]
    role = {"role": "moderator"}
    (ada,) = listed.json()
    changed = await world.api.patch(f"/admin/users/{ada['id']}", json=role, headers=root.headers)
    assert changed.status_code == 200
    assert (await world.attempt_login("carol@example.com")).status_code == 401


def keycloak_pbkdf2(name: str, rounds: int) -> dict[str, str]:
    salt = b"sixteen bytes of"
    value = hashlib.pbkdf2_hmac(name, PASSWORD.encode(), salt, rounds, 64)
    return credential(value, salt, {"hashIterations": rounds, "algorithm": f"pbkdf2-{name}"})


def keycloak_argon2() -> dict[str, str]:
    _, _, _, _, salt, value = Argon2id(8192, 1).hash(PASSWORD).split("$")
    parameters = {"memory": ["8192"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"]}
    parts = {"hashIterations": 1, "algorithm": "argon2", "additionalParameters": parameters}
    return credential(*(base64.b64decode(f"{part}==") for part in (value, salt)), parts)


def credential(value: bytes, salt: bytes, parts: dict[str, Any]) -> dict[str, str]:
    """Return the two columns that Keycloak keeps a hash in."""
    secret = {"value": value, "salt": salt}
    coded = {name: base64.b64encode(part).decode() for name, part in secret.items()}
    return {"secret_data": json.dumps(coded), "credential_data": json.dumps(parts)}


async def fill_keycloak(db: Database, credentials: dict[str, dict[str, str]]) -> None:
    await db.execute("INSERT INTO keycloak.realm VALUES ('1', 'my-realm'), ('2', 'other')")
    for place, (email, hashed) in enumerate(credentials.items()):
        await db.execute(
            "INSERT INTO keycloak.user_entity VALUES ($1, '1', $2, 'Ada', NULL, true, true)",
            str(place),
            email,
        )
        await db.execute(
            "INSERT INTO keycloak.credential VALUES ($1, 'password', $2, $3)",
            str(place),
            *hashed.values(),
        )
    await db.execute(
        "INSERT INTO keycloak.user_entity VALUES"
        " ('98', '1', 'gone@example.com', NULL, NULL, true, false),"
        " ('99', '2', 'elsewhere@example.com', NULL, NULL, true, true)"
    )


async def test_keycloaks_users_come_out_of_its_database(
    world: World, empty_dsn: str, tmp_path: Path
) -> None:
    credentials = {
        "sha512@example.com": keycloak_pbkdf2("sha512", 1000),
        "sha256@example.com": keycloak_pbkdf2("sha256", 1000),
        "argon2@example.com": keycloak_argon2(),
    }
    for statement in filter(str.strip, KEYCLOAK.split(";")):
        await world.db.execute(statement)
    try:
        await fill_keycloak(world.db, credentials)
        script = sql_below("From Keycloak")
        said = await psql(empty_dsn, tmp_path, script, "--csv", path="keycloak")
    finally:
        await world.db.execute("DROP SCHEMA keycloak CASCADE")
    (tmp_path / "users.csv").write_text(said, "utf-8")

    left_out = await psql(empty_dsn, tmp_path, sql_below("Bringing users in"), "--quiet")

    assert left_out.strip() == ""
    assert len(said.splitlines()) == len(credentials)
    for email in credentials:
        SignedIn.of(await world.attempt_login(email))
