"""Lines 4 to 6 of the abuse list: which address a client has, and with whom it shares limits."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.world import CLIENT, World

from keyfob.settings import Settings

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
WRONG = "a wrong horse, and no battery"
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
