"""A device without a browser gets tokens of a user who types its code elsewhere (RFC 8628)."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import jwt
import pytest
from tests.fixtures.apps import hidden_fields, make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.device_apps import DeviceApp, decide, make_device_app, typed
from tests.fixtures.programs import Program, own_api
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import OURS, signed_in, text_of

from keyfob.clients.models import Grant
from keyfob.oauth.device import LETTERS, Devices, read_user_code
from keyfob.settings import Settings


@pytest.fixture
async def ada(world: World) -> UUID:
    return await world.make_user(name="Ada")


@pytest.fixture
async def tv(world: World) -> DeviceApp:
    return await make_device_app(world)


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


async def test_a_device_is_signed_in_by_a_code_that_is_typed_elsewhere(
    world: World, tv: DeviceApp, browser: httpx.AsyncClient, ada: UUID
) -> None:
    codes = await tv.codes(nonce="n-0S6", by=world.client("198.51.100.9", **{"user-agent": "TV"}))
    pending = await tv.error(codes)
    page = await typed(browser, codes["user_code"])
    done = await decide(browser, codes["user_code"])
    tokens = (await tv.poll(codes)).json()

    assert codes["verification_uri"] == f"{own_api(world)}/ui/device"
    assert codes["verification_uri_complete"].endswith(f"?user_code={codes['user_code']}")
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    assert codes["qr_svg"].startswith("<svg")
    assert pending == "authorization_pending"
    for words in ("Did you start this?", "Ledger", "198.51.100.9", "Your address", "just now"):
        assert words in text_of(page), words
    assert "Go back to the device" in text_of(done)
    identity = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert identity["sub"] == str(ada)
    assert identity["nonce"] == "n-0S6"
    assert identity["email"] == "ada@example.com"
    assert tokens["scope"] == "openid email"
    again = await tv.app.refresh(tokens["refresh_token"])
    assert "nonce" not in jwt.decode(again.json()["id_token"], options={"verify_signature": False})


async def test_a_code_may_be_typed_in_any_case_with_dashes_and_spaces(
    tv: DeviceApp, browser: httpx.AsyncClient
) -> None:
    codes = await tv.codes()
    letters = read_user_code(codes["user_code"])
    assert len(letters) == 8
    assert set(letters) <= set(LETTERS)

    in_parts = f" {letters[:4]} {letters[4:]} "
    for text in (letters.lower(), in_parts, "-".join(letters), f"{letters}\n"):
        assert "Did you start this?" in text_of(await typed(browser, text)), text


async def test_the_link_with_the_code_asks_to_confirm_it_and_changes_nothing(
    world: World, tv: DeviceApp, browser: httpx.AsyncClient
) -> None:
    codes = await tv.codes()

    page = await browser.get(f"/ui/device?user_code={codes['user_code']}")

    assert f'value="{codes["user_code"]}"' in page.text
    assert "Did you start this?" not in page.text
    assert not await world.db.fetchval("SELECT count(user_id) FROM device_requests")


async def test_a_stranger_signs_in_first_and_keeps_the_code(world: World, tv: DeviceApp) -> None:
    await world.make_user()
    code = (await tv.codes())["user_code"]
    async with world.client(**OURS) as stranger:
        sent = await stranger.get(f"/ui/device?user_code={code}")
        posted = await stranger.post("/ui/device", data={"user_code": code, "decision": "allow"})

    assert sent.status_code == posted.status_code == 303
    assert f"user_code%3D{code}" in sent.headers["location"]
    assert posted.headers["location"].endswith(f"/ui/device?user_code={code}")


async def test_nobody_decides_about_a_code_that_another_has_typed(
    world: World, tv: DeviceApp, browser: httpx.AsyncClient
) -> None:
    await world.make_user("eve@example.com")
    codes = await tv.codes()
    await typed(browser, codes["user_code"])
    async with signed_in(world, "eve@example.com") as eve:
        answers = [
            await typed(eve, codes["user_code"]),
            await decide(eve, codes["user_code"]),
            await decide(eve, codes["user_code"], "deny"),
        ]
        looked = await eve.get(f"/ui/device?user_code={codes['user_code']}")

    assert [one.status_code for one in answers] == [404, 404, 404]
    assert "Did you start this?" not in looked.text
    assert await tv.error(codes) == "authorization_pending"


async def test_nobody_decides_about_a_code_without_having_typed_it(
    tv: DeviceApp, browser: httpx.AsyncClient
) -> None:
    codes = await tv.codes()

    assert (await decide(browser, codes["user_code"])).status_code == 404
    assert (await decide(browser, codes["user_code"], "deny")).status_code == 404
    assert await tv.error(codes) == "authorization_pending"


async def test_who_refuses_gives_nothing(tv: DeviceApp, browser: httpx.AsyncClient) -> None:
    codes = await tv.codes()
    await typed(browser, codes["user_code"])

    refused = await decide(browser, codes["user_code"], "deny")

    assert "The device gets nothing" in text_of(refused)
    assert await tv.error(codes) == await tv.error(codes) == "access_denied"
    assert (await decide(browser, codes["user_code"])).status_code == 404


async def test_to_allow_it_needs_a_recent_sign_in(
    tv: DeviceApp, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    clock.advance(301)
    codes = await tv.codes()
    await typed(browser, codes["user_code"])

    asked = await decide(browser, codes["user_code"])
    still = await tv.error(codes)
    proof = dict(hidden_fields(asked)) | {"step-up-password": PASSWORD}
    sent = await browser.post("/ui/device", data=proof)
    done = await browser.get(sent.headers["location"].removeprefix("/auth"))

    assert asked.status_code == 401
    assert "Is it you?" in text_of(asked)
    assert still == "authorization_pending"
    assert "Go back to the device" in text_of(done)
    assert (await tv.poll(codes)).status_code == 200


async def test_of_many_polls_at_once_one_gets_tokens(
    world: World, tv: DeviceApp, browser: httpx.AsyncClient
) -> None:
    codes = await tv.codes()
    await typed(browser, codes["user_code"])
    await decide(browser, codes["user_code"])

    answers = await asyncio.gather(*(tv.poll(codes) for _ in range(20)))

    assert sorted(one.status_code for one in answers) == [200, *[400] * 19]
    assert {one.json()["error"] for one in answers if one.status_code == 400} == {"invalid_grant"}
    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE kind = 'app'") == 1


async def test_who_asks_too_often_has_to_wait_longer(tv: DeviceApp, clock: MovableClock) -> None:
    codes = await tv.codes()
    told = [await tv.error(codes)]
    for seconds in (5, 2, 6, 14, 15):
        clock.advance(seconds)
        told.append(await tv.error(codes))

    pending, slower = "authorization_pending", "slow_down"
    # After two, the interval is ten seconds, after six it is fifteen.
    assert told == [pending, pending, slower, slower, pending, pending]


async def test_a_code_expires(
    world: World, tv: DeviceApp, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    waiting, allowed = await tv.codes(), await tv.codes()
    await typed(browser, allowed["user_code"])
    await decide(browser, allowed["user_code"])
    clock.advance(600)

    assert await tv.error(waiting) == await tv.error(allowed) == "expired_token"
    assert (await typed(browser, waiting["user_code"])).status_code == 404
    clock.advance(600)
    await world.service(Devices).clean_up()
    assert await world.db.fetchval("SELECT count(*) FROM device_requests") == 0


async def test_a_browser_that_has_signed_out_since_gives_nothing(
    tv: DeviceApp, browser: httpx.AsyncClient
) -> None:
    codes = await tv.codes(scope="openid offline_access")
    await typed(browser, codes["user_code"])
    await decide(browser, codes["user_code"])
    await browser.post("/ui/sign-out")

    assert await tv.error(codes) == await tv.error(codes) == "invalid_grant"


async def test_what_is_taken_back_before_the_device_asks_is_not_given(
    tv: DeviceApp, browser: httpx.AsyncClient
) -> None:
    codes = await tv.codes()
    await typed(browser, codes["user_code"])
    await decide(browser, codes["user_code"])

    await browser.post(f"/ui/account/apps/{tv.app.id}/remove")

    assert await tv.error(codes) == "invalid_grant"


async def test_the_code_of_another_client_is_unknown(world: World, tv: DeviceApp) -> None:
    codes = await tv.codes()
    other = await make_device_app(world)

    assert await other.error(codes) == "invalid_grant"
    assert await tv.error(codes) == "authorization_pending"


async def test_a_client_has_to_be_registered_for_it(world: World, tv: DeviceApp) -> None:
    app = DeviceApp(await make_app(world, public=True))
    codes = await tv.codes()

    begun, polled = await app.begin(), await app.poll(codes)

    assert begun.json()["error"] == polled.json()["error"] == "unauthorized_client"


async def test_a_client_that_has_lost_it_gets_nothing(
    world: World, tv: DeviceApp, browser: httpx.AsyncClient
) -> None:
    codes = await tv.codes()
    await typed(browser, codes["user_code"])
    await Program(world, tv.app.id, "").change(grants=(Grant.REFRESH_TOKEN,))

    assert await tv.error(codes) == "unauthorized_client"


async def test_an_app_with_a_secret_has_to_show_it(world: World) -> None:
    tv = await make_device_app(world, public=False)
    world_of = tv.app.world

    without = await world_of.api.post(
        "/oauth2/device", data={"client_id": str(tv.app.id), "scope": "openid"}
    )

    assert without.status_code == 401
    assert without.json()["error"] == "invalid_client"
    assert (await tv.begin()).status_code == 200


async def test_wrong_requests_are_refused(tv: DeviceApp) -> None:
    wrong = [
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "openid orders:read"}, "invalid_target"),
        ({"resource": "https://unknown.example.com"}, "invalid_target"),
        ({"nonce": "n" * 513}, "invalid_request"),
        ({"nonce": "\u20ac" * 171}, "invalid_request"),  # 513 bytes
    ]
    for form, error in wrong:
        answer = await tv.begin(**form)
        assert answer.status_code == 400, form
        assert answer.json()["error"] == error, form
    assert (await tv.app.token({"grant_type": Grant.DEVICE_CODE.value})).status_code == 400


async def test_few_codes_may_be_tried_and_few_devices_may_ask(
    settings: Settings, clock: MovableClock
) -> None:
    limits = {"limits": "on", "limit_device": "3/minute"}
    async with World(settings.model_copy(update=limits), clock) as world:
        await world.make_user()
        tv = await make_device_app(world)
        async with signed_in(world) as browser:
            wrong = {"user_code": "BBBB-BBBB"}
            tried = [await browser.post("/ui/device", data=wrong) for _ in range(4)]
        begun = [await tv.begin(by=world.client("198.51.100.77")) for _ in range(4)]
        elsewhere = await tv.begin(by=world.client("203.0.113.77"))

    assert [one.status_code for one in tried] == [404, 404, 404, 429]
    assert [one.status_code for one in begun] == [200, 200, 200, 429]
    assert tried[3].headers["retry-after"]
    assert begun[3].headers["retry-after"]
    assert elsewhere.status_code == 200


async def test_few_devices_of_one_client_may_wait(
    world: World, tv: DeviceApp, clock: MovableClock
) -> None:
    await world.db.execute(
        """
        INSERT INTO device_requests (device_hash, user_code_hash, client_id, scope, audience,
                                     poll_seconds, created_at, expires_at)
        SELECT sha256(n::text::bytea), sha256(n::text::bytea), $1, '{}', '{}', 5, $2, $3
          FROM generate_series(1, 10000) AS n
        """,
        tv.app.id,
        clock.now(),
        clock.now() + timedelta(seconds=60),
    )

    full = await tv.begin()
    clock.advance(61)
    later = await tv.begin()  # those stay for a time, but wait no more

    assert (full.status_code, later.status_code) == (429, 200)
    assert "retry-after" in full.headers
    assert (await (await make_device_app(world)).begin()).status_code == 200
    assert await world.db.fetchval("SELECT count(*) FROM device_requests") == 10_002


async def test_it_is_on_record_and_among_the_apps_of_the_user(
    world: World, tv: DeviceApp, browser: httpx.AsyncClient
) -> None:
    codes = await tv.codes()
    await typed(browser, codes["user_code"])
    await decide(browser, codes["user_code"])
    await tv.poll(codes)

    assert "app.allowed_on_device" in {event["action"] for event in await world.audit_log()}
    assert "Ledger" in text_of(await browser.get("/ui/account/apps"))
    assert "App allowed on another device" in text_of(await browser.get("/ui/account/activity"))


async def test_hostile_codes_are_no_codes(browser: httpx.AsyncClient) -> None:
    for text in (
        "",
        "x" * 60_000,
        '"><svg onload=alert(1)>',
        "\u202e\u0000",
        "ÄÖÜ",
        "%00",
        "0" * 8,
    ):
        answer = await browser.post("/ui/device", data={"user_code": text})
        assert answer.status_code == 404, text
        assert not re.search(r"<svg onload", answer.text)
