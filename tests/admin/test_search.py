# ruff: noqa: RUF001 - letters that look alike are what this file is about
"""Search finds every stored name, however it is spelled and whatever the database's locale is."""

import unicodedata
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.links import sign_up
from tests.fixtures.postgres import create_empty_database, migrate
from tests.fixtures.world import SignedIn, World

import keyfob.migrations
from keyfob.core.folding import fold
from keyfob.core.secrets import new_id
from keyfob.migrations.head import HEAD
from keyfob.settings import Settings

VERSIONS = Path(keyfob.migrations.__file__).parent / "versions"

# A name, and what it is to be found by besides itself.
NAMES = {
    "İbrahim Işık": ["ibrahim", "IŞIK", "ışık", "isik"],
    "ΟΔΥΣΣΕΥΣ": ["οδυσσευς", "Οδυσσεύς", "σσ"],
    unicodedata.normalize("NFD", "José"): [unicodedata.normalize("NFC", "José"), "jose"],
    "Анна Ёлкина": ["анна", "АННА", "ёлк", "елк"],
    "Ｗｉｄｅ": ["wide"],
    "Straße": ["STRASSE", "straß"],
    "김민준": ["민준"],
    "100% _real_\\": ["100%", "_real_\\"],
}


async def search(world: World, admin: SignedIn, text: str) -> list[str | None]:
    answer = await world.api.get("/admin/users", params={"search": text}, headers=admin.headers)
    return [user["name"] for user in answer.raise_for_status().json()]


async def missed(world: World) -> list[tuple[str, str]]:
    """Return which names are not found, and by what."""
    admin = await world.log_in("root@example.com")
    return [
        (name, spelling)
        for name, others in NAMES.items()
        for spelling in (name, *others)
        if await search(world, admin, spelling) != [name]
    ]


@pytest.fixture
def locale_c(settings: Settings, postgres: str, worker_id: str) -> Settings:
    """Settings for a database in which nothing beyond ASCII is a letter."""
    how = "TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER libc"
    dsn = create_empty_database(postgres, f"plain_c_{worker_id}", how)
    migrate(dsn)
    return settings.model_copy(update={"database_url": SecretStr(dsn)})


async def test_names_are_found_in_any_spelling_where_the_locale_is_c(
    locale_c: Settings, clock: MovableClock
) -> None:
    async with World(locale_c, clock) as world:
        await world.make_admin()
        for number, name in enumerate(NAMES):
            await world.make_user(f"u{number}@example.com", name=name)

        assert await missed(world) == []


@pytest.mark.parametrize("text", ["\u0301", "\u0301\u0308", " ", " \u0301"])
async def test_a_search_without_a_term_finds_nobody(world: World, text: str) -> None:
    admin = await world.make_admin()

    answer = await world.api.get("/admin/users", params={"search": text}, headers=admin.headers)

    assert (answer.json(), answer.headers["x-total-count"]) == ([], "0")


async def test_what_was_changed_is_found_and_what_was_is_not(world: World) -> None:
    root = await world.make_admin()
    signed_up = SignedIn.of(await sign_up(world, "Ada@Example.com", name="Анна"))
    (found,) = (
        await world.api.get("/admin/users", params={"search": "анна"}, headers=root.headers)
    ).json()

    await world.api.patch("/me", json={"name": "Έλλη"}, headers=signed_up.headers)
    assert (await search(world, root, "ΕΛΛΗ"), await search(world, root, "анна")) == (["Έλλη"], [])
    await world.api.patch("/me", json={"locale": "ru"}, headers=signed_up.headers)
    assert await search(world, root, "ΕΛΛΗ") == ["Έλλη"]
    moved = {"email": "info@Пример.example", "name": "Ольга"}
    await world.api.patch(f"/admin/users/{found['id']}", json=moved, headers=root.headers)
    assert await search(world, root, "ПРИМЕР") == await search(world, root, "xn--") == ["Ольга"]
    assert await search(world, root, "ada@") == await search(world, root, "ΕΛΛΗ") == []


async def test_rows_of_before_are_folded_by_the_upgrade(
    locale_c: Settings, clock: MovableClock
) -> None:
    async with World(locale_c, clock) as world:
        await world.make_admin()
        for number, name in enumerate(NAMES):
            await world.make_user(f"u{number}@example.com", name=name)
    dsn = locale_c.database_url.get_secret_value() if locale_c.database_url else ""
    (folded,) = VERSIONS.glob("*_folded_search.py")
    migrate(dsn, f"-{int(HEAD) - int(folded.name[:4]) + 1}")  # to before it
    migrate(dsn)

    async with World(locale_c, clock) as world:
        assert await missed(world) == []


async def test_letters_beyond_ascii_have_trigrams_where_the_locale_is_c(
    locale_c: Settings, clock: MovableClock
) -> None:
    """Else the index gives every row, and each is looked at."""
    async with World(locale_c, clock) as world:
        names = [f"Иван {chr(0x430 + n % 32)}{chr(0x430 + n // 32)}ов" for n in range(1000)]
        rows = [
            (new_id(clock.now()), f"u{n}@example.com", fold(name))
            for n, name in enumerate((*names, "Анна Щукина"))
        ]
        async with world.db.connection() as connection:
            await connection.executemany(
                "INSERT INTO users (id, email, email_normal, name_folded, created_at, updated_at)"
                " VALUES ($1, $2, $2, $3, now(), now())",
                rows,
            )
        dsn = locale_c.database_url.get_secret_value() if locale_c.database_url else ""
        connection = await asyncpg.connect(dsn)
        await connection.execute("SET enable_seqscan = off")
        plan = await connection.fetch(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT FROM users AS u WHERE"
            " (coalesce(u.email_folded, u.email_normal) || ' ' || coalesce(u.name_folded, ''))"
            f" LIKE '%{fold('щукина')}%'"
        )
        await connection.close()

    lines = [row[0].strip() for row in plan]
    assert any("users_folded" in line for line in lines)
    removed = [int(line.split()[-1]) for line in lines if "Removed by Index Recheck" in line]
    assert sum(removed) < 50


async def test_an_accent_alone_finds_nobody(world: World) -> None:
    admin = await world.make_admin()

    assert await search(world, admin, "\N{COMBINING ACUTE ACCENT}") == []


async def test_a_text_longer_than_any_address_is_refused(world: World) -> None:
    """Folding one of 3,000 such signs held up everybody for 36 ms."""
    admin = await world.make_admin()
    for text, status in (("\ufdfa" * 254, 200), ("\ufdfa" * 255, 422)):
        answer = await world.api.get("/admin/users", params={"search": text}, headers=admin.headers)
        assert answer.status_code == status
