"""The state of the service in the console: what could not be done is dropped after a question."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World
from tests.web.account_pages import signed_in, text_of
from tests.web.markup import ensure_sound, form_to, parse

from keyfob.authority.models import Role
from keyfob.outbox.service import Outbox


async def test_a_dead_letter_is_dropped_after_a_question(world: World, clock: MovableClock) -> None:
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with world.db.begin() as tx:
        await world.service(Outbox).add(tx, "nobody's", {})
    job = await world.db.fetchval(
        "UPDATE outbox SET failed_at = $1, attempts = 3 WHERE kind = 'nobody''s' RETURNING id",
        clock.now(),
    )
    async with signed_in(world, "root@example.com") as page:
        shown = await page.get("/console/service")
        form = form_to(shown, f"/console/service/outbox/{job}/drop")
        dropped = await page.post(form.path, data=form.fields)
        left = await page.get("/console/service")

    ensure_sound(parse(shown.text))
    dialog = shown.text.partition(f'<dialog id="drop-{job}"')[2].partition("</dialog>")[0]
    assert f'action="/auth{form.path}"' in dialog
    assert "It was tried 3 times, and is tried no more." in dialog
    assert dropped.headers["location"].endswith("done=dropped")
    assert "Nothing waits." in text_of(left)


async def test_a_check_up_is_made_by_a_form_alone(world: World) -> None:
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with signed_in(world, "root@example.com") as page:
        shown = await page.get("/console/service?checks=1")
        form = form_to(shown, "/console/service/checks")
        checked = await page.post(form.path, data=form.fields)

    assert 'id="checks"' not in shown.text
    ensure_sound(parse(checked.text))
    assert "bcrypt cost" in text_of(checked)


async def test_whoever_may_see_nothing_else_has_a_link_to_the_console(world: World) -> None:
    await world.make_user("root@example.com", role=Role.ADMIN)
    ada = await world.make_user()
    async with signed_in(world, "root@example.com") as root, signed_in(world) as page:
        before = await page.get("/ui/account")
        await root.post("/console/new-role", data={"name": "watch", "permission": "service:read"})
        await root.post(f"/console/users/{ada}/roles", data={"role": "watch", "hours": ""})
        after = await page.get("/ui/account")
        led = await page.get("/console")

    link = 'class="item" href="/auth/console"'
    assert [link in one.text for one in (before, after)] == [False, True]
    assert led.headers["location"] == "/auth/console/service"
