"""The pages that links in mails open: opening only looks, and no link is ever in a URL."""

import re
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, wrong_code
from tests.fixtures.links import ADA, OTHER, ask, forget_proof, recovery_token, sign_up, token_from
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import signed_in, text_of, went_to
from tests.web.markup import OURS, form_to, forms_of, is_page, open_link, send

NEW = "countess@example.org"
TOKEN = re.compile(r"kfl_[\w-]+")


@pytest.fixture
async def page(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, as far as requests go, which never sees a token in a URL or a bare password."""
    async with world.client(**OURS) as browser:
        browser.event_hooks["response"].append(_ensure_careful)
        yield browser


async def _ensure_careful(answer: httpx.Response) -> None:
    assert "kfl_" not in str(answer.request.url)
    assert "kfl_" not in answer.headers.get("location", "")
    assert "kfl_" not in str(answer.headers.get_list("set-cookie"))
    await answer.aread()
    for form in forms_of(answer) if is_page(answer) else []:
        assert "kfl_" not in form.path
        passwords = [one for one in form.inputs if one.autocomplete.endswith("-password")]
        assert {one.type for one in passwords} <= {"password"}


def like(answer: httpx.Response, email: str) -> tuple[int, str, list[str]]:
    """Return all of an answer that may not depend on the address."""
    headers = sorted(name for name in answer.headers if name != "x-request-id")
    text = answer.text.replace(email, "address").replace(quote(email), "address")
    return answer.status_code, text, headers


@pytest.mark.parametrize("what", ["recover", "verify"])
async def test_known_and_unknown_addresses_are_answered_alike(
    mailbox: Mailbox, world: World, page: httpx.AsyncClient, what: str
) -> None:
    await world.make_user()
    await forget_proof(world)

    known = await page.post(f"/ui/{what}", data={"email": ADA})
    told = await page.get(went_to(known))
    unknown = await page.post(f"/ui/{what}", data={"email": "nobody@example.com"})
    told_otherwise = await page.get(went_to(unknown))
    none = await page.post(f"/ui/{what}", data={"email": "nobody"})

    assert like(known, ADA) == like(unknown, "nobody@example.com")
    assert like(told, ADA) == like(told_otherwise, "nobody@example.com")
    assert f"If {ADA} has an account" in text_of(told)
    assert none.status_code == 422
    assert 'value="nobody"' in none.text
    assert (await mailbox.next(to=ADA)).tokens()
    await mailbox.assert_none(world)


async def test_a_forgotten_password_is_chosen_anew_and_signs_in(
    mailbox: Mailbox, world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    old = await world.log_in()
    asked = await page.get("/ui/recover", params={"return_to": "/auth/ui/account/security?a=1#b"})
    sent = await send(page, asked, "/ui/recover", email=ADA)
    assert ADA in text_of(await page.get(went_to(sent)))
    token = await token_from(mailbox, ADA, "Choose a new password")

    shown = await send(page, asked, "/ui/recover/open", token=token)
    weak = await send(page, shown, "/ui/recover/set", new_password="horse")
    done = await send(page, weak, "/ui/recover/set", new_password=OTHER)

    assert (weak.status_code, done.status_code) == (422, 303)
    assert "At least 8 characters" in text_of(weak)
    on = await page.get(done.headers["location"].removeprefix("/auth"))
    assert on.headers["location"] == "/auth/ui/account/security?a=1#b"
    assert (await page.get("/ui/account")).status_code == 200
    assert (await world.me(old)).status_code == 401
    assert (await world.attempt_login(password=OTHER)).status_code == 200


async def test_a_whole_link_can_be_pasted(
    mailbox: Mailbox, world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    await ask(world, "/recover/request")
    (link,) = (await mailbox.next(to=ADA)).links()

    shown = await open_link(page, "recover", f" {link}\n")

    assert form_to(shown, "/ui/recover/set").fields["email"] == ADA


async def test_to_open_a_link_only_looks(
    mailbox: Mailbox, world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    token = await recovery_token(world, mailbox)
    await mailbox.settled(world)

    with recorded_statements() as statements:
        for _ in range(3):
            assert (await open_link(page, "recover", token)).status_code == 200
    changes = [one for one in statements if re.match(r"\s*(INSERT|UPDATE|DELETE|WITH)", one)]

    assert changes == []
    shown = await open_link(page, "recover", token)
    assert (await send(page, shown, "/ui/recover/set", new_password=OTHER)).status_code == 303


@pytest.mark.parametrize("what", ["recover", "invite", "verify", "email"])
async def test_a_page_of_a_link_reads_nothing_before_it_has_one(
    world: World, page: httpx.AsyncClient, what: str
) -> None:
    with recorded_statements() as statements:
        answer = await page.get(f"/ui/{what}")

    assert answer.status_code == 200
    assert statements == []


@pytest.mark.parametrize(
    "path",
    [
        "recover/open",
        "recover/set",
        "invite/open",
        "invite/set",
        "verify/open",
        "verify/confirm",
        "verify/afresh",
        "email/open",
        "email/confirm",
    ],
)
async def test_a_link_that_is_not_valid_is_refused_with_a_way_on(
    mailbox: Mailbox, world: World, page: httpx.AsyncClient, path: str
) -> None:
    await world.make_user()
    used = await recovery_token(world, mailbox)
    await world.api.post("/recover/confirm", json={"token": used, "password": OTHER})
    await forget_proof(world)
    chooses = path.startswith(("recover", "invite"))
    await ask(world, "/verify-email/request" if chooses else "/recover/request")
    foreign = await token_from(mailbox, subject="Confirm" if chooses else "Choose")
    before = await world.db.fetchrow("SELECT * FROM users")

    for token in ("", "kfl_forged", used, used[:-1], foreign, "\0", "ы" * 900):
        fields = {"token": token, "password": PASSWORD, "new_password": "a battery of horses"}
        answer = await page.post(f"/ui/{path}", data=fields)
        assert (answer.status_code, token) == (400, token)
        assert "This link is no longer valid" in text_of(answer)
        assert form_to(answer, f"/ui/{path.partition('/')[0]}/open")

    assert await world.db.fetchrow("SELECT * FROM users") == before
    assert page.cookies.get("keyfob-http") is None


async def test_an_invitation_is_taken(
    mailbox: Mailbox, world: World, page: httpx.AsyncClient
) -> None:
    root = await world.make_admin()
    await world.api.post("/admin/users", json={"email": ADA}, headers=root.headers)
    token = await token_from(mailbox)

    shown = await open_link(page, "invite", token)
    done = await send(page, shown, "/ui/invite/set", new_password=OTHER)
    again = await page.post("/ui/invite/set", data={"token": token, "new_password": PASSWORD})

    assert "An account was made for you" in text_of(shown)
    assert (done.status_code, again.status_code) == (303, 400)
    assert (await page.get("/ui/account")).status_code == 200
    assert await world.db.fetchval("SELECT email_verified_at FROM users WHERE email = $1", ADA)


async def test_who_is_signed_in_confirms_an_address_by_one_button(
    mailbox: Mailbox, world: World
) -> None:
    await world.make_user()
    await forget_proof(world)
    await ask(world, "/verify-email/request")
    token = await token_from(mailbox)

    async with signed_in(world) as browser:
        shown = await open_link(browser, "verify", token)
        assert [form.path for form in forms_of(shown) if "verify" in form.path] == [
            "/ui/verify/mine"
        ]
        done = await send(browser, shown, "/ui/verify/mine")
        assert (await browser.get("/ui/account")).status_code == 200

    assert "Your address is confirmed" in text_of(done)
    assert await world.db.fetchval("SELECT email_verified_at FROM users")


async def test_a_link_for_somebody_else_is_not_confirmed_by_the_button(
    mailbox: Mailbox, world: World
) -> None:
    await world.make_user()
    await world.make_user("eve@example.com")
    await forget_proof(world)
    await ask(world, "/verify-email/request")
    token = await token_from(mailbox)

    async with signed_in(world, "eve@example.com") as eve:
        shown = await open_link(eve, "verify", token)
        assert form_to(shown, "/ui/verify/confirm")
        refused = await eve.post("/ui/verify/mine", data={"token": token})
    async with world.client(**OURS) as stranger:
        nobody = await stranger.post("/ui/verify/mine", data={"token": token})

    assert (refused.status_code, nobody.status_code) == (400, 401)
    assert await world.db.fetchval("SELECT email_verified_at FROM users WHERE email = $1", ADA) is (
        None
    )


async def test_an_address_is_confirmed_by_its_password(
    mailbox: Mailbox, world: World, page: httpx.AsyncClient
) -> None:
    await sign_up(world)
    await forget_proof(world)
    await ask(world, "/verify-email/request")
    token = await token_from(mailbox)

    shown = await open_link(page, "verify", token)
    wrong = await send(page, shown, "/ui/verify/confirm", password="not hers")
    empty = await send(page, wrong, "/ui/verify/confirm")
    done = await send(page, empty, "/ui/verify/confirm", password=PASSWORD)

    assert (wrong.status_code, empty.status_code, done.status_code) == (401, 401, 303)
    assert (await page.get("/ui/account")).status_code == 200
    assert await world.db.fetchval("SELECT email_verified_at FROM users")


async def test_with_a_factor_the_second_step_follows(
    mailbox: Mailbox, world: World, clock: MovableClock, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    await forget_proof(world)
    await ask(world, "/verify-email/request")
    shown = await open_link(page, "verify", await token_from(mailbox, subject="Confirm"))

    asked = await send(page, shown, "/ui/verify/confirm", password=PASSWORD)
    assert asked.headers["location"] == "/auth/ui/factor"
    step = await page.get("/ui/factor")
    done = await send(page, step, "/ui/factor", code=f" {app.code(1)[:3]}-{app.code(1)[3:]}\n")

    assert done.status_code == 303
    assert (await page.get("/ui/account")).status_code == 200


async def test_who_knows_no_password_starts_afresh(
    mailbox: Mailbox, world: World, page: httpx.AsyncClient
) -> None:
    await sign_up(world, password="a stranger's horse")
    await forget_proof(world)
    await ask(world, "/verify-email/request")
    token = await token_from(mailbox)

    shown = await open_link(page, "verify", token)
    choosing = await send(page, shown, "/ui/verify/afresh")
    done = await send(page, choosing, "/ui/recover/set", new_password=OTHER)

    assert done.status_code == 303
    assert (await page.get("/ui/account")).status_code == 200
    assert (await world.attempt_login(password="a stranger's horse")).status_code == 401
    assert (await world.attempt_login(password=OTHER)).status_code == 200


async def moving(world: World, mailbox: Mailbox) -> str:
    """Request another address, and return the token of the mail to it."""
    ada = await world.log_in()
    asked = await world.api.post("/me/email", json={"email": NEW}, headers=ada.headers)
    assert asked.status_code == 202
    return await token_from(mailbox, NEW)


async def email_of(world: World) -> str:
    email: str = await world.db.fetchval("SELECT email FROM users WHERE email != 'eve@example.com'")
    return email


async def test_a_new_address_is_confirmed_by_whoever_is_signed_in(
    mailbox: Mailbox, world: World
) -> None:
    await world.make_user()
    token = await moving(world, mailbox)

    async with signed_in(world) as browser:
        shown = await open_link(browser, "email", token)
        assert "password" not in form_to(shown, "/ui/email/confirm").fields
        done = await send(browser, shown, "/ui/email/confirm")

    assert (done.status_code, await email_of(world)) == (200, NEW)
    assert "Your address is changed" in text_of(done)


async def test_a_new_address_is_confirmed_by_the_password_and_no_session_stays(
    mailbox: Mailbox, world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    token = await moving(world, mailbox)
    before = await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL")

    shown = await open_link(page, "email", token)
    assert ADA not in shown.text, "a mistyped new address is somebody else's"
    wrong = await send(page, shown, "/ui/email/confirm", email=ADA, password="not hers")
    assert (wrong.status_code, await email_of(world)) == (401, ADA)
    done = await send(page, wrong, "/ui/email/confirm", password=PASSWORD)

    assert (done.status_code, await email_of(world)) == (200, NEW)
    after = await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL")
    assert after == before
    assert page.cookies.get("keyfob-http") is None


async def test_a_new_address_is_confirmed_by_password_and_code(
    mailbox: Mailbox, world: World, clock: MovableClock, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    token = await moving(world, mailbox)
    app = await add_totp(world, await world.log_in(), clock)

    shown = await open_link(page, "email", token)
    asked = await send(page, shown, "/ui/email/confirm", email=ADA, password=PASSWORD)
    assert (asked.status_code, await email_of(world)) == (200, ADA)
    wrong = await send(page, asked, "/ui/email/confirm", code=wrong_code(app))
    assert (wrong.status_code, await email_of(world)) == (401, ADA)
    done = await send(page, wrong, "/ui/email/confirm", code=app.code(1))

    assert (done.status_code, await email_of(world)) == (200, NEW)


async def test_somebody_else_who_is_signed_in_changes_no_address(
    mailbox: Mailbox, world: World
) -> None:
    await world.make_user()
    await world.make_user("eve@example.com")
    token = await moving(world, mailbox)

    async with signed_in(world, "eve@example.com") as eve:
        shown = await open_link(eve, "email", token)
        assert ADA not in shown.text
        refused = await eve.post("/ui/email/confirm", data={"token": token})

    assert (refused.status_code, await email_of(world)) == (400, ADA)
