"""Clients prove who they are, each by its one method; whoever cannot learns nothing."""

import base64
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.fixtures.asgi import call_raw
from tests.fixtures.clock import MovableClock
from tests.fixtures.logs import captured_log
from tests.fixtures.programs import ORDERS, Program, make_program, make_resource
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import World

from keyfob.clients.models import AuthMethod
from keyfob.clients.service import Clients
from keyfob.core.secrets import new_id
from keyfob.settings import Settings

GRANT = {"grant_type": "client_credentials"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def ask(
    world: World, form: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    return await world.api.post("/oauth2/token", data={**GRANT, **(form or {})}, headers=headers)


def is_refused(answer: httpx.Response) -> bool:
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "invalid_client",
        "error_description": "Client authentication failed",
    }
    assert answer.headers["www-authenticate"] == 'Basic realm="oauth2"'
    assert answer.headers["cache-control"] == "no-store"
    return True


def encoded(text: str) -> str:
    """Encode as strict clients do (RFC 6749 section 2.3.1), underscores and dashes too."""
    return quote(text, safe="").replace("-", "%2D").replace("_", "%5F")


async def test_basic_with_and_without_percent_encoding(world: World, program: Program) -> None:
    for write in (str, encoded):
        headers = basic(write(str(program.id)), write(program.secret))
        assert (await ask(world, headers=headers)).status_code == 200
        same = {"client_id": str(program.id)}
        assert (await ask(world, same, headers)).status_code == 200


async def test_a_secret_in_the_form(world: World) -> None:
    await make_resource(world)
    program = await make_program(world, method=AuthMethod.POST)
    shown = {"client_id": str(program.id), "client_secret": program.secret}

    assert (await ask(world, shown)).status_code == 200
    assert is_refused(await ask(world, {**shown, "client_secret": program.secret[:-1]}))


async def test_a_wrong_secret_leaves_one_line_in_the_log(world: World, program: Program) -> None:
    """Thousands a second come from somebody who guesses."""
    with captured_log("info") as log:
        assert is_refused(await ask(world, headers=basic(str(program.id), program.secret[:-1])))

    (line,) = log.events
    assert (line["event"], line["path"], line["status"]) == ("request", "/oauth2/token", 401)


async def test_a_client_uses_the_method_that_it_is_registered_for(
    world: World, program: Program
) -> None:
    posts = await make_program(world, method=AuthMethod.POST)
    form = {"client_id": str(program.id), "client_secret": program.secret}

    for answer in (
        await ask(world, form),
        await ask(world, headers=basic(str(posts.id), posts.secret)),
    ):
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        # Whoever knows the secret is told; others are not.
        assert "registered for client_secret_" in answer.json()["error_description"]
    assert is_refused(await ask(world, {**form, "client_secret": posts.secret}))


async def test_several_methods_at_once_are_refused(world: World, program: Program) -> None:
    header = basic(str(program.id), program.secret)
    jwt_bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assertion = {"client_assertion": "a.b.c", "client_assertion_type": jwt_bearer}
    secret = {"client_id": str(program.id), "client_secret": program.secret}

    for answer in (
        await ask(world, secret, header),
        await ask(world, assertion, header),
        await ask(world, {**secret, **assertion}),
        await ask(world, {"client_id": "another"}, header),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Bearer a.b.c",
        "Digest x",
        "",
        "Basic " + "A" * 20_000,
    ],
)
async def test_a_header_that_is_none_is_refused(
    world: World, program: Program, header: str
) -> None:
    assert is_refused(await ask(world, headers={"Authorization": header}))


async def test_nothing_at_all_is_refused(world: World, program: Program) -> None:
    assert is_refused(await ask(world))
    assert is_refused(await ask(world, {"client_id": str(program.id)}))


async def test_wrong_secrets_and_unknown_clients_are_answered_alike(
    world: World, program: Program
) -> None:
    second = await make_program(world)
    made = world.service(Clients).secrets.make().text
    nobody = str(new_id(world.service(Clients).clock.now()))

    for user, secret in (
        (str(program.id), second.secret),
        (str(program.id), made),
        (str(program.id), program.secret[:-1]),
        (str(program.id), program.secret + "x"),
        (str(program.id), program.secret.swapcase()),
        (str(program.id), ""),
        (nobody, program.secret),
        (str(program.id).upper(), program.secret),
        (program.id.hex, program.secret),
        ("{" + str(program.id) + "}", program.secret),
        ("keyfob", program.secret),
    ):
        assert is_refused(await ask(world, headers=basic(user, secret)))


async def test_a_secret_cut_or_changed_in_any_one_character_is_none(
    world: World, program: Program
) -> None:
    secret = program.secret
    for place in range(len(secret)):
        other = "0" if secret[place] != "0" else "1"
        for changed in (secret[:place], secret[:place] + other + secret[place + 1 :]):
            assert is_refused(await ask(world, headers=basic(str(program.id), changed)))


async def test_a_disabled_client_and_an_ended_secret_are_refused(
    world: World, clock: MovableClock
) -> None:
    await make_resource(world)
    short = await make_program(world, secret_ends=clock.now() + timedelta(seconds=60))
    disabled = await make_program(world)
    await disabled.change(disabled_at=clock.now())

    clock.advance(120)
    assert is_refused(await short.ask_token())
    assert is_refused(await disabled.ask_token())


async def test_two_secrets_are_valid_at_a_time(world: World, program: Program) -> None:
    async with world.db.begin() as tx:
        _, second = await world.service(Clients).add_secret(tx, program.id, None)

    for secret in (program.secret, second.text):
        assert (await ask(world, headers=basic(str(program.id), secret))).status_code == 200


async def test_two_authorization_headers_are_refused_in_the_form_of_oauth(
    world: World, program: Program
) -> None:
    header = (b"authorization", basic(str(program.id), program.secret)["Authorization"].encode())
    answer = await call_raw(
        world,
        "POST",
        "/oauth2/token",
        headers=[header, header, (b"content-type", b"application/x-www-form-urlencoded")],
        pieces=[b"grant_type=client_credentials"],
    )

    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    assert answer.header(b"cache-control") == b"no-store"


class TestFailuresByAddress:
    """Failures alone are counted; a client that works goes on beside them."""

    @pytest.fixture
    def tight(self, settings: Settings) -> Settings:
        limits = {"limits": "on", "limit_client_failures": "3/minute"}
        return settings.model_copy(update=limits)

    async def test_whoever_fails_too_often_waits(
        self, tight: Settings, clock: MovableClock
    ) -> None:
        async with World(tight, clock) as world:
            await make_resource(world)
            program = await make_program(world)
            wrong = basic(str(program.id), "wrong")
            for _ in range(3):
                assert is_refused(await ask(world, headers=wrong))

            answer = await ask(world, headers=wrong)

            assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable")
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            clock.advance(60)
            assert is_refused(await ask(world, headers=wrong))

    async def test_successes_count_for_nothing(self, tight: Settings, clock: MovableClock) -> None:
        async with World(tight, clock) as world:
            await make_resource(world)
            program = await make_program(world)

            for _ in range(10):
                assert (await program.ask_token()).status_code == 200

    async def test_a_client_that_works_goes_on_beside_failures_from_its_address(
        self, tight: Settings, clock: MovableClock
    ) -> None:
        async with World(tight, clock) as world:
            await make_resource(world)
            program = await make_program(world)
            assert (await program.ask_token()).status_code == 200
            for _ in range(5):
                await ask(world, headers=basic(str(program.id), "wrong"))

            assert (await program.ask_token()).status_code == 200

    async def test_more_failures_ask_nothing_of_the_database(
        self, tight: Settings, clock: MovableClock
    ) -> None:
        async with World(tight, clock) as world:
            await make_resource(world)
            program = await make_program(world)
            await world.db.close()  # whoever asks it now is told that it is away
            codes = set()
            for _ in range(10):
                nobody = str(new_id(clock.now()))
                answer = await ask(world, headers=basic(nobody, program.secret))
                codes.add(answer.status_code)

            assert codes == {503}  # away counts for no failure
            for _ in range(3):
                await ask(world, headers=basic(str(program.id), "wrong"))
            answer = await ask(world, headers=basic(nobody, program.secret))
            assert answer.status_code == 429
            await world.db.open()

    async def test_other_addresses_are_free(self, tight: Settings, clock: MovableClock) -> None:
        async with World(tight, clock) as world:
            await make_resource(world)
            program = await make_program(world)
            async with world.client("198.51.100.9") as stranger:
                for _ in range(5):
                    await stranger.post("/oauth2/token", data=GRANT)

            assert (await program.ask_token()).status_code == 200

    async def test_addresses_of_one_network_are_counted_together(
        self, tight: Settings, clock: MovableClock
    ) -> None:
        async with World(tight, clock) as world:
            codes = []
            for number in range(60):  # a /64 each, all of one /48
                async with world.client(f"2001:db8:7:{number:x}::1") as stranger:
                    codes.append((await stranger.post("/oauth2/token", data=GRANT)).status_code)

            assert codes == [401] * 12 + [429] * 48 or codes == [401] * 48 + [429] * 12


async def test_calls_of_a_client_are_limited(settings: Settings, clock: MovableClock) -> None:
    limits = {"limits": "on", "limit_client": "2/minute"}
    async with World(settings.model_copy(update=limits), clock) as world:
        await make_resource(world)
        program, other = await make_program(world), await make_program(world)
        assert [(await program.ask_token()).status_code for _ in range(3)] == [200, 200, 429]

        answer = await program.ask_token(resource=ORDERS)
        assert answer.json()["error"] == "temporarily_unavailable"
        assert answer.headers["ratelimit-policy"] == '"client";q=2;w=60'
        assert (await other.ask_token()).status_code == 200


async def test_guesses_with_ids_of_no_client_cost_few_queries_and_stop_no_new_client(
    settings: Settings, clock: MovableClock, world: World
) -> None:
    await make_resource(world)
    async with World(settings, clock) as other:
        clients = world.service(Clients)
        await clients.read_ids()
        new = await make_program(other)
        with recorded_statements() as statements:
            for _ in range(60):
                guess = basic(str(new_id(clock.now())), new.secret)
                assert is_refused(await ask(world, headers=guess))
        assert 0 < len(statements) <= 20
        assert (await new.ask_token(by=world)).status_code == 401, "it could be one more guess"

        await clients.read_ids()  # as each worker does every few seconds

        assert (await new.ask_token(by=world)).status_code == 200
        clock.advance(seconds=1)
        assert (await (await make_program(other)).ask_token(by=world)).status_code == 200
