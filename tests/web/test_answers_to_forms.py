"""The pages that answer a form: at an address of their own, or shown once; nothing is lost."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.fixtures.apps import decided, make_app, onward
from tests.fixtures.clock import MovableClock
from tests.fixtures.device_apps import make_device_app, typed
from tests.fixtures.factors import add_totp, wrong_code
from tests.fixtures.links import forget_proof
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import signed_in, text_of, went_to
from tests.web.markup import OURS, form_to

from keyfob.authority.models import Role
from keyfob.settings import Settings

ADA = "ada@example.com"
WAY_ON = "/auth/ui/account/security?a=1&b=2#c"
IN_QUERY = "return_to=%2Fauth%2Fui%2Faccount%2Fsecurity%3Fa%3D1%26b%3D2%23c"


def other_language(answer: httpx.Response) -> str | None:
    """Return the query of the link to the same page in another language; None if there is none."""
    found = re.search(r'rel="nofollow" href="\?([^"]*lang=ru)"', answer.text)
    return unescape(found[1]) if found else None


def link_to(answer: httpx.Response, path: str) -> dict[str, str]:
    """Return the query of the link to a page."""
    found = re.search(rf'href="/auth({path}\?[^"]*)"', answer.text)
    assert found, answer.text
    query = parse_qs(urlsplit(unescape(found[1])).query)
    return {name: values[0] for name, values in query.items()}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/ui/sign-in", {"password": "wrong"}),
        ("/ui/register", {"password": "short", "name": "Ada"}),
        ("/ui/recover", {"email": "nobody"}),
    ],
)
async def test_a_refused_form_is_asked_for_in_another_language_with_what_it_had(
    world: World, path: str, fields: dict[str, str]
) -> None:
    await world.make_user()
    form = {"email": ADA, "return_to": WAY_ON, **fields}
    async with world.client(**OURS) as page:
        refused = await page.post(f"{path}?lang=en&x=1", data=form)
        query = other_language(refused)
        again = await page.get(f"{path}?{query}")

    assert refused.status_code >= 400
    assert query is not None
    assert "password" not in query
    assert again.status_code == 200
    assert 'lang="ru"' in again.text
    assert f'value="{form["email"]}"' in again.text
    assert IN_QUERY in query
    if "name" in fields:
        assert 'value="Ada"' in again.text


async def test_what_is_shown_once_and_what_has_no_address_offers_no_other_language(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with signed_in(world) as page, signed_in(world, "root@example.com") as root:
        begun = await page.post("/ui/account/totp")
        confirm = re.search(r'action="/auth(/ui/account/totp/[^"]*/confirm)"', begun.text)
        assert confirm
        wrong = await page.post(confirm[1], data={"code": "12"})
        made = await page.post(
            "/ui/account/keys", data={"name": "x", "scope": "account:read", "days": "30"}
        )
        report = await root.post("/console/users/bulk", data={"action": "sign-out", "ids": ""})
        clock.advance(3600)
        proof = await page.post("/ui/account/password", data={"new_password": "x"})

    assert begun.status_code == 200
    assert [other_language(one) for one in (begun, wrong, made, report, proof)] == [None] * 5


async def test_a_refused_form_of_the_account_leads_to_its_page_without_what_was_typed(
    world: World,
) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        refused = await page.post("/ui/account", data={"name": "x" * 300})

        assert refused.status_code == 422
        assert other_language(refused) == "lang=ru"


async def test_where_a_sign_up_waits_for_a_mail_reload_and_back_send_nothing(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    form = {"email": "new@example.org", "password": "lovely engines 1843", "return_to": WAY_ON}
    async with (
        World(settings.model_copy(update={"verify_email": "required"}), clock) as world,
        world.client(**OURS) as page,
        world.client(**OURS) as other,
    ):
        place = went_to(await page.post("/ui/register", data=form))
        told = await page.get(place)
        elsewhere = await other.get(place)
        again = await page.post("/ui/verify", data=form_to(told, "/ui/verify").fields)

        assert place == f"/ui/register?sent=yes&{IN_QUERY}"  # a history keeps what is in it
        assert "A link is on its way to new@example.org." in text_of(told)
        assert "A link is on its way. Open it" in text_of(elsewhere)
        assert "new@example.org" in text_of(await page.get(went_to(again)))


async def test_a_device_is_decided_on_at_an_address_of_its_own(world: World) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        for decision, words in (("allow", "Allowed"), ("deny", "Not allowed")):
            codes = await (await make_device_app(world)).codes()
            asks = await typed(page, codes["user_code"])
            fields = {"user_code": codes["user_code"], "decision": decision}
            place = went_to(await page.post("/ui/device", data=fields))
            assert form_to(asks, "/ui/device")
            for _ in range(2):  # a reload decides nothing
                assert text_of(await page.get(place)).startswith(f"Keyfob {words}")


async def test_an_address_is_not_asked_for_twice(world: World) -> None:
    await world.make_user()
    await forget_proof(world)
    async with world.client(**OURS) as page:
        wrong = await page.post("/ui/sign-in", data={"email": ADA, "password": "wrong"})
        to_recover, to_register = (link_to(wrong, f"/ui/{one}") for one in ("recover", "register"))
        recover = await page.get("/ui/recover", params=to_recover)
        register = await page.get("/ui/register", params=to_register)

        assert (to_recover["email"], to_register["email"]) == (ADA, ADA)
        assert [f'value="{ADA}"' in one.text for one in (recover, register)] == [True, True]
        assert link_to(register, "/ui/sign-in")["email"] == ADA
    async with signed_in(world) as page:
        for place in ("/ui/account", "/ui/account/security"):
            ask = form_to(await page.get(place), "/ui/verify")
            assert f"If {ADA} has" in text_of(
                await page.get(went_to(await page.post("/ui/verify", data=ask.fields)))
            )


async def test_an_app_s_hint_of_an_address_reaches_the_page_for_signing_up(world: World) -> None:
    app = await make_app(world)
    async with world.client(**OURS) as page:
        shown = await onward(page, await app.send(page, prompt="create", login_hint=ADA))

    assert 'action="/auth/ui/register"' in shown.text
    assert f'value="{ADA}"' in shown.text


async def test_the_second_step_tells_when_it_ends_and_starts_again_with_the_address(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    async with world.client(**OURS) as page:
        await page.post("/ui/sign-in", data={"email": ADA, "password": PASSWORD})
        clock.advance(100)
        asked = await page.get("/ui/factor", params={"return_to": WAY_ON})
        wrong = await page.post("/ui/factor", data={"code": wrong_code(app)})

    assert 'data-soon="200"' in asked.text
    assert 'data-soon="200"' in wrong.text
    assert link_to(asked, "/ui/sign-in") == {"email": ADA, "return_to": WAY_ON}
    assert "In a minute this step ends" in asked.text


async def test_a_page_says_when_its_session_ends(settings: Settings, clock: MovableClock) -> None:
    """After a while without use, which the reader can prolong; in the end, whatever they do."""
    short = {"session_idle_ttl": 600, "session_max_ttl": 1000}
    async with World(settings.model_copy(update=short), clock) as world:
        await world.make_user()
        async with signed_in(world) as page:
            first = await page.get("/ui/account")
            clock.advance(500)
            later = await page.get("/ui/account")

    assert 'data-ends-in="600"' in first.text
    assert 'data-stay="/auth/ui/account"' in first.text
    assert 'data-ends-in="500"' in later.text
    assert "data-stay=" not in later.text
    assert "Your session ends soon, as each one does" in later.text


async def test_what_was_not_done_is_no_good_news(world: World) -> None:
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with signed_in(world, "root@example.com") as root:
        for place in ("service?done=no_mail", "service?done=gone", "clients?done=gone"):
            shown = await root.get(f"/console/{place}")
            assert "data-toast>" not in shown.text
            assert '<div class="notice warn" role="status">' in shown.text
        assert "toast" in (await root.get("/console/service?done=mail")).text


async def test_where_no_page_signs_in_none_gives_a_cookie(
    settings: Settings, clock: MovableClock
) -> None:
    async with (
        World(settings.model_copy(update={"pages": False}), clock) as world,
        world.client(**OURS) as page,
    ):
        query = {"height": "compact", "lang": "ru", "return_to": WAY_ON}
        asked = await page.get("/ui/recover", params=query)
        sent = await page.post("/ui/recover", data={"email": ADA, "return_to": WAY_ON})
        told = await page.get(went_to(sent))

    assert "set-cookie" not in {*asked.headers, *sent.headers, *told.headers}
    assert "If the address has an account" in text_of(told)


async def test_no_more_is_allowed_than_was_shown(world: World) -> None:
    """Threat: between the page and its button, the user gets a role, and the app with it."""
    await world.make_user()
    app = await make_app(world)
    async with signed_in(world) as page:
        shown = await onward(page, await app.send(page, scope="openid email"))
        less = shown.text.replace("openid\nemail", "openid")
        again = await decided(page, httpx.Response(200, text=less), "allow")
        done = await decided(page, shown, "allow")

    assert again.status_code == 303
    assert went_to(again).startswith("/ui/authorize?request=")
    assert 'http-equiv="refresh"' in done.text
