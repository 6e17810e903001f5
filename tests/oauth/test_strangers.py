"""Strangers who register apps, or send others to documents, take nothing from anybody else."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.apps import CALLBACK, App, make_app
from tests.fixtures.certificates import Certificate
from tests.fixtures.clock import MovableClock
from tests.fixtures.documents import app_of, publish, status_of
from tests.fixtures.far_end import FarEnd
from tests.fixtures.programs import ORDERS, Program, make_program, make_resource
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.clients.models import ClientKind, Registrar
from keyfob.clients.origins import Origins
from keyfob.clients.service import Clients
from keyfob.limits.models import WORTH, Rule
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


@pytest.fixture
def app(world: World, end: FarEnd) -> App:
    """An app that describes itself in a document."""
    return app_of(world, end)


async def test_links_to_what_a_host_does_not_have_use_up_no_turn_of_its_app(
    app: App, end: FarEnd, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    assert await status_of(app, browser) == 303
    clock.advance(hours=2)  # the document is to be read again
    async with signed_in(app.world) as again:
        for number in range(12):
            assert await status_of(app, again, client_id=f"{end.url}?{number}") == 400

        assert await status_of(app, again) == 303


async def test_nor_the_turn_of_whoever_else_asks_for_a_new_one_there(
    world: World, app: App, end: FarEnd
) -> None:
    here = world.client("203.0.113.9")
    for number in range(12):
        assert await status_of(app, here, client_id=f"{end.url}?{number}") == 400
    assert len(end.asked) == 10

    assert await status_of(app, world.client("198.51.100.9")) == 303

    for number in range(100):
        there = world.client(f"192.0.2.{number}")
        assert await status_of(app, there, client_id=f"{end.url}?{number}") == 400
    assert len(end.asked) == 100


async def test_a_document_counts_for_an_hour_more_while_its_server_is_away(
    app: App, end: FarEnd, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    assert await status_of(app, browser) == 303
    clock.advance(minutes=90)
    async with signed_in(app.world) as later:
        for end.status, told in (("503 Away", 303), ("200 OK", 303)):
            assert await status_of(app, later) == told
        clock.advance(hours=2, seconds=-1)
        end.status = "500 No"
        assert await status_of(app, app.world.client()) == 303
        clock.advance(seconds=1)
        assert await status_of(app, app.world.client()) == 400


async def test_and_no_longer_once_its_server_says_that_there_is_none(
    app: App, end: FarEnd, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    assert await status_of(app, browser) == 303
    clock.advance(minutes=90)
    for end.status in ("404 Gone", "503 Away"):
        assert await status_of(app, app.world.client()) == 400


async def test_where_too_many_wait_a_new_document_is_refused_and_a_known_one_is_not(
    world: World, app: App, end: FarEnd, browser: httpx.AsyncClient
) -> None:
    assert await status_of(app, browser) == 303
    world.service(Clients).most_unused = 1
    known, end.url = end.url, f"{end.url}?another"
    publish(end)

    refused = await status_of(app, browser, client_id=end.url)

    assert refused == 503
    assert await status_of(app, browser, client_id=known) == 303
    assert await world.db.fetchval("SELECT count(*) FROM clients") == 1


async def test_a_worker_that_has_read_an_older_document_does_not_bring_it_back(
    world: World,
    other: World,
    app: App,
    end: FarEnd,
    browser: httpx.AsyncClient,
    clock: MovableClock,
) -> None:
    end.headers.append("Cache-Control: max-age=86400")
    assert await status_of(app, browser) == 303
    clock.advance(seconds=30)
    publish(end, client_name="Notes, renamed")
    async with signed_in(other) as elsewhere:
        assert await status_of(app_of(other, end), elsewhere) == 303
    clock.advance(seconds=6)  # what a worker remembers of a row

    assert await status_of(app, browser) == 303

    assert await world.db.fetchval("SELECT name FROM clients") == "Notes, renamed"


async def test_a_document_that_begins_to_want_bound_tokens_gets_no_others(
    world: World, app: App, end: FarEnd, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    assert await status_of(app, browser) == 303
    publish(end, dpop_bound_access_tokens=True)
    clock.advance(hours=1, seconds=1)
    async with signed_in(world) as later:
        assert await status_of(app, later) == 303

    assert await world.db.fetchval("SELECT dpop_bound FROM clients") is True


async def test_an_app_pushes_its_first_request_and_none_once_its_document_is_gone(
    world: World, app: App, end: FarEnd, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    pushed = await app.push()
    assert pushed.status_code == 201
    clock.advance(hours=2)
    end.status = "404 Not Found"

    refused = await app.push()

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


async def test_what_comes_back_after_its_deletion_is_not_taken_for_what_was_revoked(
    world: World, app: App, end: FarEnd, browser: httpx.AsyncClient
) -> None:
    async def tokens() -> dict[str, str]:
        code = await app.code(browser, scope="openid")
        given: dict[str, str] = (await app.exchange(code, client_id=end.url)).json()
        return given

    async def opens_userinfo(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return (await world.api.get("/oauth2/userinfo", headers=headers)).status_code

    before = await tokens()
    admin = await world.make_admin()
    gone = await world.api.delete(f"/admin/clients/{app.id}", headers=admin.headers)
    assert gone.status_code == 204

    after = await tokens()

    assert await opens_userinfo(after["access_token"]) == 200
    assert await opens_userinfo(before["access_token"]) == 401
    refreshed = await app.refresh(before["refresh_token"], client_id=end.url)
    assert refreshed.json()["error"] == "invalid_grant"


ORIGINS = {
    "https://app.example.com": True,
    "https://app.example.com:8443": True,
    "https://[2001:db8::1]:8443": True,
    "http://localhost:3000": True,
    "http://127.0.0.1": True,
    "http://app.example.com": False,
    "null": False,
    "*": False,
    "": False,
    "https://": False,
    "https://app.example.com/": False,
    "HTTPS://app.example.com": False,
    "https://me@app.example.com": False,
    "https://" + "x" * 32_000: False,
}


@pytest.mark.parametrize(
    ("told", "is_open"),
    [
        ({"client_documents": True}, True),
        ({"client_documents": False, "dynamic_registration": "open"}, True),
        ({"client_documents": False, "dynamic_registration": "token"}, False),
        ({"client_documents": True, "client_document_hosts": ["app.example.com"]}, False),
        ({"client_documents": False}, False),
    ],
    ids=str,
)
async def test_where_anybody_may_register_an_app_none_is_pushed_off_a_list_of_origins(
    settings: Settings, clock: MovableClock, told: dict[str, object], is_open: bool
) -> None:
    async with World(settings.model_copy(update=told), clock) as world:
        for origin, is_one in ORIGINS.items():
            page = world.client(Origin=origin)
            answer = await page.post("/oauth2/token", data={"grant_type": "none"})
            elsewhere = [await page.get(path) for path in ("/me", "/oauth2/authorize")]

            let_in = answer.headers.get("access-control-allow-origin")
            assert let_in == (origin if is_open and is_one else None), origin
            assert "access-control-allow-credentials" not in answer.headers
            assert not any("access-control-allow-origin" in one.headers for one in elsewhere)


async def test_of_apps_of_strangers_a_few_origins_each_are_let_in(
    settings: Settings, clock: MovableClock
) -> None:
    """Threat: every worker reads all of them every few seconds."""
    some = settings.model_copy(update={"client_document_hosts": ["app.example.com"]})
    async with World(some, clock) as world:
        await assert_few_origins(world)


async def assert_few_origins(world: World) -> None:
    places = tuple(f"https://{number}.example.com/callback" for number in range(20))
    ours = await make_app(world, public=True, redirect_uris=places)
    theirs = await make_app(world, public=True)
    await Program(world, theirs.id, "").change(
        revokes=False,
        kind=ClientKind.BROWSER,
        redirect_uris=tuple(place.replace("example", "stranger") for place in places),
    )
    await world.db.execute(
        "UPDATE clients SET registered_by = $1, kept_until = now() WHERE id = $2",
        Registrar.ITSELF,
        theirs.id,
    )
    origins = world.service(Origins)
    await origins.load()

    def known(name: str) -> int:
        return sum(origins.knows(f"https://{number}.{name}.com".encode()) for number in range(20))

    assert ours.id != theirs.id
    assert (known("example"), known("stranger")) == (20, 5)


def test_no_network_fills_all_that_there_is_room_for(settings: Settings) -> None:
    """The limit of a day, for the /48 around an address, and all that are kept for a day."""
    rule = Rule.parse("register-client", Settings.model_fields["limit_register_client"].default)

    by_one = min(WORTH[-1] * one.amount * 86_400 // one.get_expiry() for one in rule.items)

    assert by_one <= Clients.most_unused / 3


async def test_documents_that_are_new_here_count_as_registrations(
    settings: Settings, clock: MovableClock, end: FarEnd
) -> None:
    limits = {"limits": "on", "limit_register_client": "3/minute"}
    async with World(settings.model_copy(update=limits), clock) as world:
        app, told = app_of(world, end), []
        first, here, there = end.url, world.client("198.51.100.9"), world.client("203.0.113.9")
        for number in range(4):
            end.url = f"{first}?{number}"
            publish(end)
            told.append(await status_of(app, here, client_id=end.url))
        known = await status_of(app, here, client_id=f"{first}?0")
        elsewhere = await status_of(app, there, client_id=end.url)

    assert told == [303, 303, 303, 429]
    assert (known, elsewhere) == (303, 303)


OWN = "https://id.example.com"


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        (f"{OWN}/auth/ui/account", 400),
        (f"{OWN}:8443/callback", 400),
        ("https://id.example.com./callback", 400),
        ("https://login.example.com/", 400),
        ("http://localhost:8000/auth/ui/account", 201),
        ("https://app.id.example.com/callback", 201),
    ],
)
async def test_none_leads_back_to_our_own_pages(
    settings: Settings, clock: MovableClock, uri: str, status: int
) -> None:
    told = {
        "issuer": f"{OWN}/auth",
        "public_url": "https://login.example.com",
        "dynamic_registration": "open",
    }
    async with World(settings.model_copy(update=told), clock) as world:
        answer = await world.api.post("/oauth2/register", json={"redirect_uris": [CALLBACK, uri]})

    assert answer.status_code == status, answer.text


async def test_nor_to_a_service_on_this_machine_that_is_ours(
    settings: Settings, clock: MovableClock
) -> None:
    opened = settings.model_copy(update={"dynamic_registration": "open"})
    async with World(opened, clock) as world:
        for port, status in ((8000, 400), (8001, 201)):
            body = {"redirect_uris": [f"http://localhost:{port}/callback"]}
            answer = await world.api.post("/oauth2/register", json=body)
            assert answer.status_code == status, answer.text


POINT = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
SIGNING = {"token_endpoint_auth_method": "private_key_jwt"}


@pytest.mark.parametrize(
    "told",
    [
        {"redirect_uris": ["https://["]},
        {"redirect_uris": ["https://["], "client_name": "x", "token_endpoint_auth_method": "none"},
        {**SIGNING, "jwks": {"keys": [{**POINT, "kid": "\0"}]}},
        {**SIGNING, "jwks": {"keys": [{**POINT, "x": POINT["x"] + "\0"}]}},
    ],
    ids=["no URI", "no URI, named", "kid", "member"],
)
async def test_nothing_odd_in_a_registration_is_a_fault_of_ours(
    settings: Settings, clock: MovableClock, told: dict[str, object]
) -> None:
    opened = settings.model_copy(update={"dynamic_registration": "open"})
    async with World(opened, clock) as world:
        body = {"redirect_uris": [CALLBACK], **told}
        answer = await world.api.post("/oauth2/register", json=body)

    assert answer.status_code == 400, answer.text


async def test_whoever_registered_itself_is_none_of_the_apis_that_it_may_ask_for(
    settings: Settings, clock: MovableClock
) -> None:
    """Threat: who has found a token learns by introspection whose it is, and what it may."""
    told = {"dynamic_registration": "open", "self_registered_resources": [ORDERS]}
    async with World(settings.model_copy(update=told), clock) as world:
        await make_resource(world)
        token = await (await make_program(world)).get_token()
        body = {"redirect_uris": [CALLBACK]}
        made = (await world.api.post("/oauth2/register", json=body)).json()
        auth = httpx.BasicAuth(made["client_id"], made["client_secret"])
        answer = await world.api.post("/oauth2/introspect", data={"token": token}, auth=auth)

    assert answer.json() == {"active": False}
