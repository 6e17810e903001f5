"""Clients whose `client_id` is the URL of a document that describes them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from tests.fixtures.apps import CALLBACK, App, allowed, answer_of, onward
from tests.fixtures.assertions import Signer, public_jwk
from tests.fixtures.certificates import Certificate
from tests.fixtures.clock import MovableClock
from tests.fixtures.documents import app_of, publish, status_of
from tests.fixtures.far_end import FarEnd, far_end
from tests.fixtures.programs import Program
from tests.fixtures.world import World, eventually
from tests.web.account_pages import signed_in, text_of

from keyfob.clients.service import Clients
from keyfob.settings import Settings


@pytest.fixture
def settings(settings: Settings, certificate: Certificate) -> Settings:
    """A service on this machine, which may read documents of this machine."""
    told = {
        "issuer": "http://localhost:8000/auth",
        "client_documents": True,
        "outbound_ca_file": certificate.path,
    }
    return settings.model_copy(update=told)


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.make_user(name="Ada")
    async with signed_in(world) as browser:
        yield browser


async def code_of(app: App, browser: httpx.AsyncClient, **changes: str) -> str:
    return answer_of(await allowed(browser, await app.send(browser, **changes)))["code"]


async def test_a_client_is_known_by_its_document(
    world: World, end: FarEnd, browser: httpx.AsyncClient
) -> None:
    app = app_of(world, end)
    page = await onward(browser, await app.send(browser))
    assert "Allow Notes?" in text_of(page)
    assert f"It describes itself at localhost:{end.port}, and leads back to" in text_of(page)
    assert "Nobody here has checked this app" in text_of(page)

    answer = answer_of(await allowed(browser, page))
    tokens = (await app.exchange(answer["code"], client_id=end.url)).json()
    again = await app.refresh(tokens["refresh_token"], client_id=end.url)

    identity = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert identity["aud"] == end.url
    assert again.status_code == 200
    assert answer["iss"] == "http://localhost:8000/auth"
    assert len(end.asked) == 1
    revoked = await app.token({"client_id": end.url})
    assert revoked.status_code == 400
    given_up = {"client_id": end.url, "token": again.json()["refresh_token"]}
    assert (await world.api.post("/oauth2/revoke", data=given_up)).status_code == 200
    later = await app.refresh(again.json()["refresh_token"], client_id=end.url)
    assert later.json()["error"] == "invalid_grant"


async def test_its_users_are_asked_each_time(
    world: World, end: FarEnd, browser: httpx.AsyncClient
) -> None:
    app = app_of(world, end)
    await code_of(app, browser)

    again = await onward(browser, await app.send(browser))
    silent = await app.send(browser, prompt="none")

    assert "Allow Notes?" in text_of(again)
    assert "location" not in silent.headers
    assert "with a request that nobody can answer" in text_of(silent)


async def test_a_program_on_the_users_machine_is_warned_about(
    world: World, end: FarEnd, browser: httpx.AsyncClient
) -> None:
    publish(end, redirect_uris=["http://127.0.0.1/callback"], application_type="native")
    sent = await app_of(world, end).send(browser, redirect_uri="http://127.0.0.1:51004/callback")

    page = text_of(await onward(browser, sent))

    assert "leads back to this device" in page
    assert "any program on this device can use it" in page


async def test_its_id_here_is_no_name_of_it(
    world: World, end: FarEnd, browser: httpx.AsyncClient
) -> None:
    app = app_of(world, end)
    code = await code_of(app, browser)

    assert await status_of(app, browser, client_id=str(app.id)) == 400
    assert (await app.exchange(code, client_id=str(app.id))).json()["error"] == "invalid_client"
    assert (await app.exchange(code, client_id=end.url)).status_code == 200


async def test_it_may_sign_with_keys_that_it_publishes(
    world: World, end: FarEnd, browser: httpx.AsyncClient, certificate: Certificate
) -> None:
    async with far_end(certificate.server_side) as keys:
        keys.body = json.dumps({"keys": [public_jwk("EdDSA", "one")]}).encode()
        publish(end, token_endpoint_auth_method="private_key_jwt", jwks_uri=keys.url)
        app = app_of(world, end)
        code = await code_of(app, browser)
        signer = Signer(Program(world, app.id, ""), "EdDSA", {"kid": "one"})
        assertion = signer.sign(iss=end.url, sub=end.url)
        proof = {
            "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        unproven = await app.exchange(code, client_id=end.url)
        proven = await app.exchange(code, client_id=end.url, **proof)

    assert unproven.json()["error"] == "invalid_client"
    assert proven.status_code == 200, proven.text


WRONG: list[dict[str, Any]] = [
    {"client_id": "https://localhost/client.json"},
    {"client_id": None},
    {"redirect_uris": []},
    {"redirect_uris": ["javascript:alert(1)", CALLBACK]},
    {"redirect_uris": ["http://app.example.com/callback"]},
    {"token_endpoint_auth_method": "client_secret_basic"},
    {"token_endpoint_auth_method": "client_secret_jwt"},
    {"token_endpoint_auth_method": "private_key_jwt"},
    {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}},
    {"client_secret": "x"},
    {"client_secret_expires_at": 0},
    {"grant_types": ["client_credentials"]},
    {"response_types": ["token"]},
    {"client_name": "Key\u202efob"},
    {"software_id": "x" * 5000},
]


@pytest.mark.parametrize("told", WRONG, ids=str)
async def test_a_document_that_does_not_fit_is_no_client(
    world: World, end: FarEnd, browser: httpx.AsyncClient, told: dict[str, Any]
) -> None:
    publish(end, **told)

    assert await status_of(app_of(world, end), browser) == 400
    assert await world.db.fetchval("SELECT count(*) FROM clients") == 0


async def test_what_other_servers_offer_is_left_out(
    world: World, end: FarEnd, browser: httpx.AsyncClient
) -> None:
    publish(
        end,
        scope="openid users:read everything",
        grant_types=["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
        response_types=["code", "token"],
        logo_uri="http://169.254.169.254/",
    )
    app = app_of(world, end)
    tokens = (await app.exchange(await code_of(app, browser), client_id=end.url)).json()
    kept = await world.service(Clients).get(world.db, app.id)

    assert "refresh_token" not in tokens
    assert kept is not None
    assert (kept.scope, kept.resources, kept.document) == ((), (), end.url)


@pytest.mark.parametrize("status", ["302 Found", "301 Moved", "201 Created", "404 Gone", "500 No"])
async def test_only_an_answer_with_200_counts_and_no_redirect_is_followed(
    world: World, end: FarEnd, browser: httpx.AsyncClient, status: str
) -> None:
    end.status = status
    end.headers.append(f"Location: {end.url}")
    app = app_of(world, end)

    assert await status_of(app, browser) == 400
    assert len(end.asked) == 1
    end.status = "200 OK"
    assert await status_of(app, browser) == 303  # a failure is not remembered


async def test_a_body_without_end_is_given_up(
    world: World, end: FarEnd, browser: httpx.AsyncClient
) -> None:
    end.body, end.pieces = b" " * 1024, 10**6

    assert await status_of(app_of(world, end), browser) == 400


async def test_it_is_remembered_as_long_as_it_says_within_bounds(
    world: World, end: FarEnd, clock: MovableClock
) -> None:
    await world.make_user(name="Ada")
    app = app_of(world, end)

    async def times_after(header: str, minutes: int) -> int:
        end.headers = ["Content-Type: application/json", f"Cache-Control: {header}"]
        clock.advance(days=2)  # whatever was remembered is too old
        before = len(end.asked)
        async with signed_in(world) as browser:
            assert await status_of(app, browser) == 303
            clock.advance(minutes=minutes)
        async with signed_in(world) as browser:
            assert await status_of(app, browser) == 303
        return len(end.asked) - before

    assert await times_after("max-age=600", 9) == 1
    assert await times_after("max-age=600", 11) == 2
    assert await times_after("no-store", 4) == 1
    assert await times_after("max-age=0", 6) == 2
    assert await times_after("max-age=60, s-maxage=1200", 19) == 1
    assert await times_after("private", 59) == 1
    assert await times_after("max-age=999999999", 23 * 60) == 1
    assert await times_after("max-age=999999999", 25 * 60) == 2


async def test_many_at_once_wait_for_one_request_and_an_origin_is_asked_rarely(
    world: World, end: FarEnd, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    app = app_of(world, end)
    end.hold = asyncio.Event()
    waiting = [asyncio.create_task(status_of(app, browser)) for _ in range(10)]
    await eventually(lambda: end.asked)
    waiting.pop().cancel()
    end.hold.set()
    assert set(await asyncio.gather(*waiting)) == {303}
    assert len(end.asked) == 1

    for number in range(20):
        other = f"{end.url}?{number}"
        assert await status_of(app, browser, client_id=other) == 400
    assert len(end.asked) == 10
    clock.advance(minutes=1)
    assert await status_of(app, browser, client_id=f"{end.url}?x") == 400
    assert len(end.asked) == 11


async def test_a_row_goes_when_nothing_rests_on_it_and_comes_back(
    world: World, end: FarEnd, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    app, clients = app_of(world, end), world.service(Clients)
    assert await status_of(app, browser) == 303
    clock.advance(hours=25)
    await clients.clean_up()
    assert await world.db.fetchval("SELECT count(*) FROM clients") == 0

    async with signed_in(world) as later:
        await code_of(app, later)
    clock.advance(hours=25)
    await clients.clean_up()
    assert await world.db.fetchval("SELECT registered_by FROM clients") == "document"


async def test_a_changed_document_changes_the_client(
    world: World, end: FarEnd, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    app = app_of(world, end)
    assert await status_of(app, browser) == 303
    publish(end, redirect_uris=["https://app.example.com/other"], client_name="Other")
    clock.advance(minutes=61)

    async with signed_in(world) as later:
        assert await status_of(app, later) == 400
        sent = await app.send(later, redirect_uri="https://app.example.com/other")
        assert "Allow Other?" in text_of(await onward(later, sent))


async def test_an_administrator_can_only_disable_it_for_good(
    world: World, end: FarEnd, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    app = app_of(world, end)
    tokens = (await app.exchange(await code_of(app, browser), client_id=end.url)).json()
    admin = await world.make_admin()
    path = f"/admin/clients/{app.id}"
    renamed = await world.api.patch(path, json={"name": "Ours"}, headers=admin.headers)
    assert renamed.status_code == 422
    told = (await world.api.get(path, headers=admin.headers)).json()
    assert (told["registered_by"], told["document"]) == ("document", end.url)

    done = await world.api.patch(path, json={"disabled": True}, headers=admin.headers)

    assert done.status_code == 200
    assert await status_of(app, browser) == 400
    assert (await app.refresh(tokens["refresh_token"], client_id=end.url)).status_code == 401
    clock.advance(days=200)
    await world.service(Clients).clean_up()
    async with signed_in(world) as later:
        assert await status_of(app, later) == 400


class TestOfAPublicService:
    """A service that is not on this machine reads nothing of it, whatever is listed for others."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        told = {"issuer": "https://id.example.com/auth", "outbound_allow": ["127.0.0.1", "::1"]}
        return settings.model_copy(update=told)

    @pytest.mark.parametrize(
        "host",
        ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "0.0.0.0"],
    )
    async def test_no_connection_is_made_to_it(
        self, world: World, end: FarEnd, browser: httpx.AsyncClient, host: str
    ) -> None:
        url = f"https://{host}:{end.port}/client.json"

        assert await status_of(app_of(world, end), browser, client_id=url) == 400
        assert end.asked == []


class TestOff:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"client_documents": False})

    async def test_nothing_is_read_and_the_metadata_do_not_tell_of_it(
        self, world: World, end: FarEnd, browser: httpx.AsyncClient
    ) -> None:
        assert await status_of(app_of(world, end), browser) == 400
        assert end.asked == []
        told = (await world.api.get("/.well-known/oauth-authorization-server")).json()
        assert "client_id_metadata_document_supported" not in told


async def test_a_host_that_is_denied_later_ends_what_it_had(
    world: World, end: FarEnd, browser: httpx.AsyncClient, settings: Settings, clock: MovableClock
) -> None:
    told = (await world.api.get("/.well-known/openid-configuration")).json()
    assert told["client_id_metadata_document_supported"] is True
    app = app_of(world, end)
    tokens = (await app.exchange(await code_of(app, browser), client_id=end.url)).json()

    denied = settings.model_copy(update={"client_document_hosts_denied": ["localhost"]})
    async with World(denied, clock) as other:
        app.world = other
        answer = await app.refresh(tokens["refresh_token"], client_id=end.url)

    assert answer.json()["error"] == "invalid_client"
