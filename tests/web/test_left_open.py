"""Pages that stay open for a day, or over the end of a session, and are sent then."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import signed_in
from tests.web.markup import OURS, form_to, is_page

from keyfob.authority.models import Role

DAY = 24 * 3600
ROOT = "root@example.com"


async def test_a_sign_in_page_of_yesterday_signs_in_at_the_first_try(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    async with world.client(**OURS) as page:
        form = form_to(await page.get("/ui/sign-in?return_to=/auth/ui/account/data"), "/ui/sign-in")
        clock.advance(DAY)
        typed = {**form.fields, "email": "ada@example.com", "password": PASSWORD}
        answer = await page.post(form.path, data=typed)

    assert answer.status_code == 303
    assert answer.headers["location"].endswith("return_to=%2Fauth%2Fui%2Faccount%2Fdata")


async def test_a_second_step_of_yesterday_begins_again_with_the_address(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    async with world.client(**OURS) as page:
        typed = {"email": "ada@example.com", "password": PASSWORD}
        assert (await page.post("/ui/sign-in", data=typed)).status_code == 303
        clock.advance(DAY)
        answer = await page.post("/ui/factor", data={"code": app.code()})
        again = await page.get(answer.headers["location"].removeprefix("/auth"))

    assert answer.status_code == 303
    assert 'value="ada@example.com"' in again.text
    assert "step_ended" in answer.headers["location"]


async def test_a_form_of_the_account_is_taken_a_day_later(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        form = form_to(await page.get("/ui/account"), "/ui/account")
        clock.advance(DAY)
        answer = await page.post(
            form.path, data={**form.fields, "name": "Countess", "locale": "en"}
        )

    assert answer.status_code == 303
    assert await world.db.fetchval("SELECT name FROM users") == "Countess"


async def test_a_form_of_the_console_asks_for_a_proof_a_day_later_and_keeps_what_was_typed(
    world: World, clock: MovableClock
) -> None:
    await world.make_user(ROOT, role=Role.ADMIN)
    async with signed_in(world, ROOT) as page:
        form = form_to(await page.get("/console/new-role"), "/console/new-role")
        clock.advance(DAY)
        typed = {**form.fields, "name": "support", "permission": "users:read"}
        asked = await page.post(form.path, data=typed)
        kept = form_to(asked, form.path)
        answer = await page.post(kept.path, data={**kept.fields, "step-up-password": PASSWORD})

    assert (asked.status_code, answer.status_code) == (401, 303)
    assert await world.db.fetchval("SELECT name FROM roles") == "support"


async def test_what_was_typed_is_kept_when_the_session_has_ended(world: World) -> None:
    """The refusal contains it; whoever signs in again, in this tab or another, sends it then."""
    await world.make_user()
    async with signed_in(world) as page:
        form = form_to(await page.get("/ui/account"), "/ui/account")
        await world.db.execute("UPDATE sessions SET ended_at = now(), end_reason = 'logout'")
        refused = await page.post(
            form.path, data={**form.fields, "name": "Countess", "locale": "en"}
        )
        typed = {"email": "ada@example.com", "password": PASSWORD}
        assert (await page.post("/ui/sign-in", data=typed)).status_code == 303
        kept = form_to(refused, form.path)
        answer = await page.post(kept.path, data=kept.fields)

    assert refused.status_code == 401
    assert is_page(refused)
    assert answer.status_code == 303
    assert await world.db.fetchval("SELECT name FROM users") == "Countess"
