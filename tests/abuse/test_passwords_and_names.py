# ruff: noqa: RUF001 - letters that look alike are what this file is about
"""Lines 8 and 10 to 13 of the abuse list: passwords and addresses that are one, or refused."""

import asyncio
import hashlib
import unicodedata
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.world import PASSWORD, World

from keyfob.settings import Settings

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"


@pytest.mark.parametrize(
    "first_72",
    [
        pytest.param("correct horse battery staple, " + "abc4711 " * 6, id="ascii"),
        pytest.param("лошадь верно, скобы и батарея 47 йод"[:36], id="two bytes a letter"),
    ],
)
async def test_08_two_passwords_alike_in_their_first_72_bytes_differ(
    world: World, first_72: str
) -> None:
    start = first_72.encode()[:72].decode()
    await world.make_user(ADA, start + "one")

    assert (await world.attempt_login(ADA, start + "two")).status_code == 401
    assert (await world.attempt_login(ADA, start)).status_code == 401
    assert (await world.attempt_login(ADA, start + "one")).status_code == 200


@pytest.mark.parametrize(("made", "typed"), [("NFC", "NFD"), ("NFD", "NFC")])
async def test_10_the_composed_and_decomposed_forms_of_a_password_are_one(
    world: World, made: Any, typed: Any
) -> None:
    password = "größte Ähnlichkeit, 각별한 주의"
    forms = {form: unicodedata.normalize(form, password) for form in (made, typed)}
    assert forms[made] != forms[typed]
    registered = await world.api.post("/register", json={"email": ADA, "password": forms[made]})

    assert registered.status_code == 201
    assert (await world.attempt_login(ADA, forms[typed])).status_code == 200
    assert (await world.attempt_login(ADA, forms[made])).status_code == 200


ONE_ADDRESS = [
    "ADA@EXAMPLE.COM",
    "Ada@Example.Com",
    "  ada@example.com ",
    "ａｄａ@example.com",
    "ada＠ｅｘａｍｐｌｅ．ｃｏｍ",
    "ada@example。com",
    "ada@example｡com",
    "ada@𝐞𝐱𝐚𝐦𝐩𝐥𝐞.com",
    "ada@ⓔⓧⓐⓜⓟⓛⓔ.com",
    "ªda@example.com",
]


async def test_11_case_and_width_variants_of_an_address_are_one_account(world: World) -> None:
    await world.make_user(ADA)

    for variant in ONE_ADDRESS:
        again = await world.api.post("/register", json={"email": variant, "password": PASSWORD})

        assert (again.status_code, again.json()["code"]) == (409, "email_taken"), variant
        assert (await world.attempt_login(variant)).status_code == 200


DISGUISES = {
    "Cyrillic a": "аda@example.com",
    "Greek alpha": "αda@example.com",
    "IPA alpha": "ɑda@example.com",
    "Cyrillic a in the domain": "ada@exаmple.com",
    "Greek alpha in the domain": "ada@exαmple.com",
    "all Cyrillic that reads as Latin": "ada@ехамрӏе.com",
    "the same before an ideographic full stop": "ada@аррӏе。com",
    "the same in ASCII": "ada@xn--80ak6aa92e.com",
    "IPA alpha in the domain": "ada@exɑmple.com",
    "dotless i": "ada@lıve.com",
    "script g": "ada@ɡoogle.com",
    "zero width space": "ada@exam\u200bple.com",
    "soft hyphen": "ada@exam\u00adple.com",
    "word joiner": "ada\u2060@example.com",
    "right-to-left override": "\u202eada@example.com",
    "line break": "ada@example.com\n",
    "control character": "\x1fada@example.com",
    "combining accent": "ada\u0301@example.com",
    "trailing full stop": "ada@example.com.",
    "two full stops": "ada@example..com",
    "quoted": '"ada"@example.com',
    "comment": "ada(root)@example.com",
    "display name": "Root <ada@example.com>",
    "two addresses": "ada@example.com,root@example.com",
    "literal": "ada@[192.0.2.1]",
    "NUL": "ada@xn--80ak6aa92e\u0000.com",
}


async def test_11_homograph_and_hidden_variants_are_refused(world: World) -> None:
    await world.make_user(ADA)
    for kind, variant in DISGUISES.items():
        answer = await world.api.post("/register", json={"email": variant, "password": PASSWORD})

        assert answer.status_code == 422, kind
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/body/email"], kind


async def test_11_two_addresses_that_only_fold_alike_are_not_one_account(world: World) -> None:
    # In Unicode's case folding "ß" is "ss"; in DNS and in mail they are two.
    await world.make_user("ada@strasse.example.com")

    other_domain = await world.api.post(
        "/register", json={"email": "ada@straße.example.com", "password": PASSWORD}
    )
    other_local_part = await world.api.post(
        "/register", json={"email": "maß@example.com", "password": PASSWORD}
    )

    assert other_domain.status_code == 201
    assert other_local_part.status_code == 422


async def test_12_a_hundred_registrations_of_one_address_at_once_make_one_account(
    settings: Settings, clock: MovableClock
) -> None:
    patient = settings.model_copy(update={"hashing_budget": 30.0})
    async with World(patient, clock) as one, World(patient, clock) as two:

        async def register(world: World, email: str) -> httpx.Response:
            return await world.api.post("/register", json={"email": email, "password": PASSWORD})

        answers = await asyncio.gather(
            *(
                register(world, email)
                for email in (ADA, "ADA@example.com")
                for world in [one, two] * 25
            )
        )

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 99
        assert {a.json()["code"] for a in answers if a.status_code == 409} == {"email_taken"}
        for table in ("users", "sessions", "user_activity", "login_events", "audit_events"):
            assert await one.db.fetchval(f"SELECT count(*) FROM {table}") == 1, table
        assert await one.db.fetchval("SELECT sum(amount) FROM user_tallies") == 1


WEAK = [
    ("short 7", "too_short"),
    ("ü" * 7, "too_short"),
    ("x1 " * 342, "too_long"),
    ("password1", "common"),
    ("PASSWORD!", "common"),
    ("qwertyuiop", "common"),
    ("aaaaaaaaaaaa", "common"),
    ("ｐａｓｓｗｏｒｄ", "common"),
    ("keyfob-keyfob", "common"),
    ("ada.lovelace@example.com", "like_email"),
    ("Ada.Lovelace1", "like_email"),
    ("ecalevol.ada", "like_email"),
    ("lovelace2026", "like_email"),
    ("Byron Byron", "like_email"),
]


async def test_13_common_and_email_like_passwords_are_refused_with_the_reason(world: World) -> None:
    admin = await world.make_admin()
    for password, reason in WEAK:
        body = {"email": "ada.lovelace@example.com", "password": password, "name": "A. Byron"}

        with recorded_hashes() as hashes:
            answers = [
                await world.api.post("/register", json=body),
                await world.api.post("/admin/users", json=body, headers=admin.headers),
            ]

        for answer in answers:
            assert answer.status_code == 422, password
            assert (answer.json()["code"], answer.json()["reason"]) == ("weak_password", reason)
            assert answer.json()["detail"]
            assert password not in answer.text
        assert hashes == []


async def test_13_a_breached_password_is_refused_where_a_range_service_is_configured(
    settings: Settings, clock: MovableClock
) -> None:
    digest = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
    asked: list[bytes] = []

    async def answer_ranges(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        body = f"{digest[5:]}:42\r\n".encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async with AsyncExitStack() as stack:
        ranges = await asyncio.start_server(answer_ranges, "127.0.0.1", 0)
        await stack.enter_async_context(ranges)
        url = f"http://127.0.0.1:{ranges.sockets[0].getsockname()[1]}/range/"
        configured = settings.model_copy(update={"breached_passwords_url": url})
        world = await stack.enter_async_context(World(configured, clock))

        answer = await world.api.post("/register", json={"email": ADA, "password": PASSWORD})

    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["reason"]) == ("weak_password", "breached")
    assert asked == [f"GET /range/{digest[:5]} HTTP/1.1\r\n".encode()]
