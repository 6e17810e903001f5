# ruff: noqa: RUF001 - letters that look alike are what this file is about
"""Lines 1 to 14 of the abuse list: who has an account, and getting in without being let in."""

import asyncio
import hashlib
import unicodedata
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import product
from typing import Any

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.passkeys import own_passkey, sign_in
from tests.fixtures.statements import recorded_statements
from tests.fixtures.timing import how_alike
from tests.fixtures.world import CLIENT, PASSWORD, SignedIn, World

from keyfob.settings import Settings
from keyfob.users.models import Status

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
WRONG = "a wrong horse, and no battery"


@pytest.fixture
def limited(settings: Settings) -> Settings:
    """The settings with limits as they are by default."""
    return settings.model_copy(update={"limits": "on"})


def told(answer: httpx.Response) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return all that an answer tells, less what differs each time."""
    body, headers = answer.json(), dict(answer.headers)
    del body["request_id"], headers["x-request-id"]
    return answer.status_code, body, headers


async def told_and_done(
    world: World, email: str, password: str
) -> tuple[Any, list[str], list[int]]:
    """Try to sign in; return the answer, the statements it took, and the cost of each hash."""
    with recorded_statements() as statements, recorded_hashes() as hashes:
        answer = await world.attempt_login(email, password)
    return told(answer), statements, hashes


async def test_01_recovery_for_an_unknown_address_is_answered_alike_after_the_same_time(
    mailbox: Mailbox, limited: Settings, clock: MovableClock
) -> None:
    settings = limited.model_copy(update={"limit_recover": "1000/minute"})
    async with World(settings, clock) as world:
        await world.make_user(ADA)
        await world.make_user("blocked@example.com", status=Status.BLOCKED)
        seen = []
        for email in ("first@example.com", ADA, "blocked@example.com", "nobody@example.com"):
            clock.advance(60)
            with recorded_statements() as statements:
                answer = await world.api.post("/recover/request", json={"email": email})
            seen.append(((answer.status_code, answer.content), list(statements)))
        await mailbox.settled(world)
        await world.wiring.runner.stop()  # what comes after the answer is not to be timed

        async def ask(email: str) -> None:
            await world.api.post("/recover/request", json={"email": email})

        overlap = await how_alike(lambda: ask(ADA), lambda: ask("nobody@example.com"))

    assert seen[1][0] == (202, b"")
    assert len(seen[1][1]) == 2  # the rate of the client, and the row of the outbox
    assert seen[1] == seen[2] == seen[3]
    assert [mail.to for mail in mailbox.mails] == [ADA]
    assert 0.25 < overlap < 0.75


@pytest.mark.parametrize(
    "password",
    [
        pytest.param(WRONG, id="ascii"),
        pytest.param(unicodedata.normalize("NFD", "größe, höhe und länge"), id="decomposed"),
        pytest.param("x" * 4096, id="longest"),
    ],
)
async def test_02_unknown_and_wrong_password_are_answered_alike_after_equal_work(
    limited: Settings, clock: MovableClock, password: str
) -> None:
    async with World(limited, clock) as world:
        await world.make_user(ADA)
        await world.make_user("blocked@example.com", status=Status.BLOCKED)
        await world.make_user("imported@example.com")
        await world.db.execute(
            "UPDATE users SET password_hash = NULL WHERE email = 'imported@example.com'"
        )
        # The first statement of a connection prepares it.
        await told_and_done(world, "first@example.com", password)

        unknown = await told_and_done(world, "nobody@example.com", password)
        wrong = await told_and_done(world, ADA, password)
        blocked = await told_and_done(world, "blocked@example.com", password)
        without_password = await told_and_done(world, "imported@example.com", password)

    (status, _, _), statements, hashes = unknown
    assert status == 401
    assert len(statements) == 5
    assert hashes
    assert set(hashes) == {limited.bcrypt_cost}
    assert wrong == unknown
    assert blocked == unknown
    assert without_password == unknown


@pytest.mark.parametrize("signed_in_before", [False, True])
async def test_02_once_throttled_they_are_still_alike(
    limited: Settings, clock: MovableClock, signed_in_before: bool
) -> None:
    async with World(limited, clock) as world:
        await world.make_user(ADA)
        if signed_in_before:  # by its owner, behind the address that the attacker shares
            await world.attempt_login(ADA)
        for _ in range(5):
            await world.attempt_login(ADA, WRONG)
            await world.attempt_login("nobody@example.com", WRONG)

        unknown = await told_and_done(world, "nobody@example.com", WRONG)
        wrong = await told_and_done(world, ADA, WRONG)

    assert unknown[0][0] == 429
    assert unknown[2] == []
    assert wrong == unknown


async def test_03_the_101st_failure_is_throttled_and_its_owner_still_gets_in(
    limited: Settings, clock: MovableClock
) -> None:
    async with World(limited, clock) as world:
        await world.make_user(ADA)
        assert (await world.attempt_login(ADA, by="203.0.113.7")).status_code == 200

        for number in range(100):
            clock.advance(100)  # 36 an hour, so that the day's limit is what is met
            refused = await world.attempt_login(ADA, WRONG, by=f"198.51.100.{number}")
            assert refused.status_code == 401
        clock.advance(100)
        with recorded_hashes() as hashes:  # as much work as at home, where the owner gets in
            throttled = await world.attempt_login(ADA, by="198.51.100.200")

        assert throttled.status_code == 429
        assert throttled.json()["code"] == "too_many_attempts"
        assert int(throttled.headers["retry-after"]) > 3600
        assert len(hashes) == 1
        assert [row["reason"] for row in await world.login_log()][-1] == "too_many_attempts"
        assert (await world.attempt_login(ADA, by="203.0.113.7")).status_code == 200


async def test_03_an_owner_without_a_known_device_gets_in_by_recovery(
    mailbox: Mailbox, limited: Settings, clock: MovableClock
) -> None:
    async with World(limited, clock) as world:
        await world.make_user(ADA)
        for number in range(100):
            clock.advance(100)
            await world.attempt_login(ADA, WRONG, by=f"198.51.100.{number}")
        clock.advance(100)
        assert (await world.attempt_login(ADA, by="192.0.2.1")).status_code == 429

        owner = world.client("192.0.2.1")
        await owner.post("/recover/request", json={"email": ADA})
        (token,) = (await mailbox.next(to=ADA)).tokens()
        new = "a quite different horse"
        done = await owner.post("/recover/confirm", json={"token": token, "password": new})
        assert done.status_code == 204

        assert (await world.attempt_login(ADA, new, by="192.0.2.1")).status_code == 200
        assert (await world.attempt_login(ADA, new, by="198.51.100.201")).status_code == 429


async def test_03_an_owner_who_mistypes_at_home_waits_a_minute_and_no_longer(
    limited: Settings, clock: MovableClock
) -> None:
    async with World(limited, clock) as world:
        await world.make_user(ADA)
        await world.attempt_login(ADA)
        for _ in range(5):
            assert (await world.attempt_login(ADA, WRONG)).status_code == 401

        held = await world.attempt_login(ADA)
        clock.advance(int(held.headers["retry-after"]))

        assert (held.status_code, held.headers["retry-after"]) == (429, "60")
        assert (await world.attempt_login(ADA)).status_code == 200


FORWARDED = [
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-original-forwarded-for",
]


async def test_04_forwarded_headers_of_a_stranger_are_ignored(
    limited: Settings, clock: MovableClock
) -> None:
    settings = limited.model_copy(update={"limit_login": "7/minute"})
    behind_proxies = type(settings).model_validate(
        {**settings.model_dump(), "trusted_proxies": "10.0.0.0/8, fd00::/8"}
    )
    for chosen in (settings, behind_proxies):
        async with World(chosen, clock) as world:
            clock.advance(60)
            answers = [
                await world.attempt_login(
                    f"u{number}@example.com",
                    WRONG,
                    by=world.client(**{header: f"192.0.2.{number}"}),
                )
                for number, header in enumerate([*FORWARDED, "x-forwarded-for"])
            ]
            assert [answer.status_code for answer in answers] == [401] * 7 + [429]
            assert {str(row["ip_address"]) for row in await world.login_log()} == {CLIENT}


@pytest.fixture
async def behind_proxies(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """A service that trusts the proxies 10.0.0.0/8 and fd00::/8, without limits."""
    trusting = type(settings).model_validate(
        {**settings.model_dump(), "trusted_proxies": "10.0.0.0/8, fd00::/8"}
    )
    async with World(trusting, clock) as world:
        yield world


PROXY = "10.0.0.1"


BELIEVED = [
    ("203.0.113.5", "203.0.113.5"),
    ("1.1.1.1, 203.0.113.5", "203.0.113.5"),
    ("1.1.1.1, 203.0.113.5, 10.9.9.9, fd00::2", "203.0.113.5"),
    ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
    ("203.0.113.5:4711", "203.0.113.5"),
    ("[2001:db8::5]:4711", "2001:db8::5"),
    ('"[2001:DB8:0:0::5]"', "2001:db8::5"),
    ("::ffff:203.0.113.5", "203.0.113.5"),
    ("fe80::5%eth0", "fe80::5"),
    ("203.0.113.5" + ", 10.9.9.9" * 31, "203.0.113.5"),
    ("203.0.113.5, 10.2.2.2" + ", 10.9.9.9" * 31, "10.2.2.2"),  # no chain is longer
]


async def test_04_a_proxy_of_ours_is_believed_from_the_right(
    behind_proxies: World, clock: MovableClock
) -> None:
    for forwarded, _ in BELIEVED:
        clock.advance(1)
        client = behind_proxies.client(PROXY, **{"x-forwarded-for": forwarded})
        await behind_proxies.attempt_login(ADA, WRONG, by=client)

    logged = [str(row["ip_address"]) for row in await behind_proxies.login_log()]
    assert dict(zip(BELIEVED, logged, strict=True)) == {pair: pair[1] for pair in BELIEVED}


MALFORMED = [
    "",
    " ",
    ",",
    "unknown",
    "garbage",
    "203.0.113.5 203.0.113.6",
    "203.0.113.999",
    "203.0.113.007",
    "203.0.113.5;",
    "203.0.113.5:4711:1",
    "]",
    "::::",
    "for=203.0.113.5",
    "-1",
    "3405803781",
    "1.1.1.1, garbage",
    "203.0.113.5,",
    "\u00ff\u00fe",
    "\t",
    "," * 5000,
    "10.0.0.1," * 500,
]


async def test_04_malformed_forwarded_headers_are_no_500_and_skip_nothing(
    limited: Settings, clock: MovableClock
) -> None:
    amount = len(MALFORMED)
    settings = type(limited).model_validate(
        {
            **limited.model_dump(),
            "trusted_proxies": "10.0.0.0/8",
            "limit_login": f"{amount}/minute",
        }
    )
    async with World(settings, clock) as world:
        for number, text in enumerate(MALFORMED):
            client = world.client(PROXY)
            answer = await client.post(
                "/login",
                json={"email": f"u{number}@example.com", "password": WRONG},
                headers={b"x-forwarded-for": text.encode("latin-1")},
            )
            assert answer.status_code == 401, text
        # Each was counted, for the only client that is sure: the proxy that wrote it.
        assert (await world.attempt_login(ADA, WRONG, by=PROXY)).status_code == 429
        assert {str(row["ip_address"]) for row in await world.login_log()} == {PROXY}


async def test_04_several_headers_are_one_list(behind_proxies: World) -> None:
    client = behind_proxies.client(PROXY)

    await client.post(
        "/login",
        json={"email": ADA, "password": WRONG},
        headers=[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.5, 10.0.0.2")],
    )

    assert [str(row["ip_address"]) for row in await behind_proxies.login_log()] == ["203.0.113.5"]


async def test_04_a_request_id_is_taken_from_a_proxy_alone(behind_proxies: World) -> None:
    given = {"x-request-id": "req-0123456789"}

    of_a_stranger = await behind_proxies.client(CLIENT, **given).get("/health/live")
    of_a_proxy = await behind_proxies.client(PROXY, **given).get("/health/live")
    malformed = await behind_proxies.client(PROXY).get(
        "/health/live", headers={b"x-request-id": 'a"b c\u00e9defgh'.encode("latin-1")}
    )

    assert of_a_stranger.headers["x-request-id"] != given["x-request-id"]
    assert of_a_proxy.headers["x-request-id"] == given["x-request-id"]
    assert '"' not in malformed.headers["x-request-id"]


@pytest.mark.parametrize(
    ("alike", "other"),
    [
        pytest.param(
            [
                "2001:db8:1:2::1",
                "2001:DB8:1:2:0:0:0:2",
                "2001:0db8:0001:0002:ffff:ffff:ffff:ffff",
            ],
            "2001:db8:1:3::1",
            id="one /64",
        ),
        pytest.param(
            ["203.0.113.5", "::ffff:203.0.113.5", "::FFFF:CB00:7105"], "203.0.113.6", id="mapped"
        ),
    ],
)
async def test_05_one_ipv6_network_and_the_spellings_of_an_address_share_a_bucket(
    limited: Settings, clock: MovableClock, alike: list[str], other: str
) -> None:
    settings = type(limited).model_validate(
        {**limited.model_dump(), "trusted_proxies": "10.0.0.0/8", "limit_login": "3/minute"}
    )
    async with World(settings, clock) as world:

        async def status(number: int, peer: str, **headers: str) -> int:
            client = world.client(peer, **headers)
            answer = await world.attempt_login(f"u{number}@example.com", WRONG, by=client)
            return answer.status_code

        assert [await status(n, address) for n, address in enumerate(alike)] == [401] * 3
        assert [await status(3 + n, address) for n, address in enumerate(alike)] == [429] * 3
        assert await status(6, other) == 401
        # The same whoever names the client: the connection, or a proxy of ours.
        by_proxy = [await status(7, PROXY, **{"x-forwarded-for": text}) for text in alike]
        assert by_proxy == [429] * 3


async def test_05_failures_of_an_account_share_them_too(
    limited: Settings, clock: MovableClock
) -> None:
    settings = limited.model_copy(update={"limit_login_pair": "2/minute"})
    async with World(settings, clock) as world:
        await world.make_user(ADA)
        await world.attempt_login(ADA, by="2001:db8:1:2::1")
        attempts = [
            (await world.attempt_login(ADA, WRONG, by=f"2001:db8:1:2::{number}")).status_code
            for number in range(2, 5)
        ]

        assert attempts == [401, 401, 429]
        # Another device of the same household is the owner's own.
        clock.advance(60)
        assert (await world.attempt_login(ADA, by="2001:db8:1:2:9::9")).status_code == 200


async def test_06_limits_hold_across_workers_and_restarts(
    limited: Settings, clock: MovableClock
) -> None:
    settings = limited.model_copy(update={"limit_login": "6/minute", "limit_login_pair": "4/hour"})

    async def statuses(worlds: list[World], emails: list[str]) -> list[int]:
        tried = [
            await worlds[number % len(worlds)].attempt_login(email, WRONG)
            for number, email in enumerate(emails)
        ]
        return [answer.status_code for answer in tried]

    async with World(settings, clock) as one, World(settings, clock) as two:
        await one.make_user(ADA)
        assert await statuses([one, two], [ADA] * 5) == [401] * 4 + [429]  # the pair's limit
        assert await statuses([two, one], ["b@example.com"] * 2) == [401, 429]  # the address's
    async with World(settings, clock) as restarted:
        assert await statuses([restarted], ["c@example.com"]) == [429]
        clock.advance(60)
        assert await statuses([restarted], ["c@example.com", ADA]) == [401, 429]
        clock.advance(3600)
        assert await statuses([restarted], [ADA]) == [401]


async def test_06_fifty_guesses_at_once_on_two_workers_find_only_the_places_there_are(
    limited: Settings, clock: MovableClock
) -> None:
    async with World(limited, clock) as one, World(limited, clock) as two:
        await one.make_user(ADA)
        with recorded_hashes() as hashes:
            answers = await asyncio.gather(*(w.attempt_login(ADA, WRONG) for w in [one, two] * 25))

    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 45
    assert len(hashes) == 5


async def drip(body: bytes) -> AsyncIterator[bytes]:
    """Send a body without telling its length."""
    for start in range(0, len(body), 4096):
        yield body[start : start + 4096]


@pytest.mark.parametrize("path", ["/login", "/register"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_07_a_password_of_a_megabyte_is_refused_before_any_work(
    world: World, path: str, chunked: bool
) -> None:
    await world.make_user(ADA)
    body = b'{"email": "ada@example.com", "password": "%s"}' % (b"x" * 1_000_000)

    with recorded_statements() as statements, recorded_hashes() as hashes:
        answer = await world.api.post(
            path,
            content=drip(body) if chunked else body,
            headers={"content-type": "application/json"},
        )

    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"
    assert (statements, hashes) == ([], [])


@pytest.mark.parametrize("length", [4097, 60_000])
async def test_07_a_password_that_only_just_fits_into_a_body_costs_no_hash(
    world: World, length: int
) -> None:
    admin = await world.make_admin()
    body = {"email": "new@example.com", "password": "x" * length}

    with recorded_hashes() as hashes:
        answers = [
            await world.api.post("/login", json=body),
            await world.api.post("/register", json=body),
            await world.api.post("/admin/users", json=body, headers=admin.headers),
        ]

    assert [answer.status_code for answer in answers] == [422] * 3
    assert hashes == []


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


NOT_A_TEXT = ["null", "true", "0", "-1.5", "1e400", "[]", '["a"]', "{}", '{"$ne": null}']
NOT_MEANT = [r'"planted\u0000text"', r'"\ud800planted"', r'"planted\udfff"', r'"\u001bplanted"']
FIELDS = {
    ("POST", "/register"): ["email", "password", "name"],
    ("POST", "/login"): ["email", "password"],
    ("POST", "/refresh"): ["token"],
    ("DELETE", "/logout"): ["token"],
    ("POST", "/admin/users"): ["email", "password", "name", "role", "status"],
    ("PATCH", "/admin/users/{id}"): ["email", "name", "role", "status"],
    ("PUT", "/admin/users/{id}"): ["email", "name", "role", "status"],
}
MAY_BE_NULL = {"name"}


@pytest.mark.parametrize(("method", "path"), list(FIELDS))
async def test_09_nul_lone_surrogates_and_wrong_types_are_422(
    world: World, method: str, path: str
) -> None:
    admin = await world.make_admin()
    url = path.replace("{id}", str(await world.make_user(ADA)))
    whole = {"email": '"new@example.com"', "password": f'"{PASSWORD}"'}
    for field, value in product(FIELDS[method, path], NOT_A_TEXT + NOT_MEANT):
        if value == "null" and field in MAY_BE_NULL:
            continue
        others = {name: text for name, text in whole.items() if name in FIELDS[method, path]}
        pairs = {**others, field: value}.items()
        answer = await world.api.request(
            method,
            url,
            content="{" + ", ".join(f'"{name}": {text}' for name, text in pairs) + "}",
            headers={**admin.headers, "content-type": "application/json"},
        )

        assert answer.status_code == 422, (field, value)
        assert answer.headers["content-type"] == "application/problem+json"
        pointers = {error["pointer"] for error in answer.json()["errors"]}
        assert pointers == {f"/body/{field}"}, (field, value)
        assert "planted" not in answer.text
    assert await world.db.fetchval("SELECT count(*) FROM users") == 2


NO_OBJECTS = [
    b"null",
    b"true",
    b"1",
    b'"text"',
    b"[]",
    b'[{"email": 1}]',
    b"{}",
    b'{"": ""}',
    b"",
]


async def test_09_a_body_that_is_no_object_is_422(world: World) -> None:
    for body in NO_OBJECTS:
        for path in ("/register", "/login", "/refresh"):
            answer = await world.api.post(
                path, content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 422, (path, body)


NO_JSON = [b"\xff\xfe", b"{", b"{'a': 1}", b"\x00", b'{"a": NaN}', b"nul"]


async def test_09_a_body_that_is_no_json_is_400(world: World) -> None:
    for body in NO_JSON:
        for path in ("/register", "/login", "/refresh"):
            answer = await world.api.post(
                path, content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 400, (path, body)


async def test_09_nul_and_nonsense_in_queries_and_paths_are_4xx(world: World) -> None:
    admin = await world.make_admin()
    known = str(await world.make_user(ADA))
    for text in ("\x00", "a\x00b", "\x1b[2J", "\x85"):
        for path, name in (
            ("/admin/users", "search"),
            ("/admin/users", "cursor"),
            ("/admin/users", "role"),
            ("/admin/audit", "action"),
            ("/admin/audit", "actor_id"),
            ("/admin/logins", "ip_address"),
            ("/admin/logins", "outcome"),
            (f"/admin/users/{known}/logins", "since"),
            ("/me/logins", "cursor"),
        ):
            answer = await world.api.get(path, params={name: text}, headers=admin.headers)
            assert 400 <= answer.status_code < 500, (path, name, text)
        answer = await world.api.get(f"/admin/users/{text!r}", headers=admin.headers)
        assert answer.status_code == 422


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


async def test_14_a_blocked_account_is_refused_on_every_path_that_gives_tokens(
    world: World, clock: MovableClock
) -> None:
    admin = await world.make_admin()
    signed_in, replaced = await signed_up(world, ADA), await world.log_in(ADA)
    successor = (await world.refresh(replaced.refresh)).json()["refresh_token"]
    app = await add_totp(world, await signed_up(world, BOB), clock)
    passkey = await own_passkey(world, await signed_up(world, EVE))
    clock.advance(30)
    waiting = await ask_for_factor(world, BOB)
    for row in await world.db.fetch("SELECT id FROM users WHERE role <> 'admin'"):
        await world.api.patch(
            f"/admin/users/{row['id']}", json={"status": "blocked"}, headers=admin.headers
        )

    refusals = {
        "POST /login/mfa, begun before": await show_factor(world, waiting, code=app.code()),
        "POST /login/mfa": await show_factor(
            world, await ask_for_factor(world, BOB), code=app.code()
        ),
        "POST /login/passkey/verify": await sign_in(world, passkey),
        "POST /me/reauthenticate": await world.api.post(
            "/me/reauthenticate", json={"password": PASSWORD}, headers=signed_in.headers
        ),
        "POST /me/password": await world.api.post(
            "/me/password",
            json={"current_password": PASSWORD, "password": "quite another horse"},
            headers=signed_in.headers,
        ),
        "POST /login": await world.attempt_login(ADA),
        "POST /register": await world.api.post(
            "/register", json={"email": ADA, "password": PASSWORD}
        ),
        "POST /refresh": await world.refresh(signed_in.refresh),
        "POST /refresh, of a successor": await world.refresh(successor),
        "POST /refresh, within the grace time": await world.refresh(replaced.refresh),
    }

    assert {name: (a.status_code, a.json()["code"]) for name, a in refusals.items()} == {
        "POST /login/mfa, begun before": (401, "invalid_factor"),
        "POST /login/mfa": (403, "account_blocked"),
        "POST /login/passkey/verify": (403, "account_blocked"),
        "POST /me/reauthenticate": (401, "invalid_token"),
        "POST /me/password": (401, "invalid_token"),
        "POST /login": (403, "account_blocked"),
        "POST /register": (409, "email_taken"),
        "POST /refresh": (401, "invalid_refresh_token"),
        "POST /refresh, of a successor": (401, "invalid_refresh_token"),
        "POST /refresh, within the grace time": (401, "invalid_refresh_token"),
    }
    assert {name.partition(",")[0] for name in refusals} == set(paths_that_give_tokens(world))


async def signed_up(world: World, email: str) -> SignedIn:
    await world.make_user(email)
    return await world.log_in(email)


def paths_that_give_tokens(world: World) -> list[str]:
    """Read in the schema which operations answer with tokens: a new one must be tried above."""
    return [
        f"{method.upper()} {path}"
        for path, operations in world.app.openapi()["paths"].items()
        for method, operation in operations.items()
        for answer in operation["responses"].values()
        for content in answer.get("content", {}).values()
        if content.get("schema", {}).get("$ref", "").endswith("/TokensOut")
    ]


async def test_14_that_an_account_is_blocked_is_told_after_the_right_password_only(
    world: World, clock: MovableClock
) -> None:
    await world.make_user(ADA, status=Status.BLOCKED)

    wrong = await world.attempt_login(ADA, WRONG)
    clock.advance(1)
    right = await world.attempt_login(ADA)

    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    assert (right.status_code, right.json()["code"]) == (403, "account_blocked")
    assert [row["reason"] for row in await world.login_log()] == [
        "wrong_password",
        "account_blocked",
    ]
    assert await world.db.fetchval("SELECT count(*) FROM sessions") == 0
