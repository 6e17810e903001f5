"""The page of the profile: name, language, time zone, and another address."""

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import HOSTILE, OURS, signed_in, text_of, went_to


async def test_the_profile_is_shown_and_changed(world: World) -> None:
    await world.make_user(name="Ada")
    async with signed_in(world) as page:
        before = await page.get("/ui/account")
        answer = await page.post("/ui/account", data={"name": "Ада", "locale": "ru"})
        after = await page.get(went_to(answer))

    assert 'value="Ada"' in before.text
    assert "ada@example.com" in text_of(before)
    assert 'value="Ада"' in after.text
    assert '<html lang="ru">' in after.text
    row = await world.db.fetchrow("SELECT name, locale FROM users")
    assert tuple(row) == ("Ада", "ru")


async def test_a_name_from_hell_is_text(world: World) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        answer = await page.post("/ui/account", data={"name": HOSTILE})
        shown = await page.get(went_to(answer))

    assert "<img src=x" not in shown.text
    assert "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;{{7*7}}" in shown.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "x" * 201}, "Type a name of up to 200 characters"),
        ({"name": "a\u202eb"}, "Type a name of up to 200 characters"),
        ({"locale": "tlh"}, "Choose a language of the list."),
        ({"locale": ""}, "Choose a language of the list."),
    ],
)
async def test_a_refused_profile_keeps_what_was_typed(
    world: World, fields: dict[str, str], words: str
) -> None:
    await world.make_user(name="Ada")
    async with signed_in(world) as page:
        answer = await page.post("/ui/account", data=fields)

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert f'value="{fields.get("name", "Ada")}"' in answer.text
    assert await world.db.fetchval("SELECT name FROM users") == "Ada"


async def test_an_empty_form_changes_nothing_and_an_empty_name_goes(world: World) -> None:
    await world.make_user(name="Ada")
    async with signed_in(world) as page:
        await page.post("/ui/account")
        kept = await world.db.fetchval("SELECT name FROM users")
        await page.post("/ui/account", data={"name": " "})

    assert (kept, await world.db.fetchval("SELECT name FROM users")) == ("Ada", None)


async def test_the_time_zone_is_guessed_and_kept(world: World, clock: MovableClock) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        unknown = await page.get("/ui/account")
        page.cookies.set("keyfob-zone", "Asia%2FTokyo")
        guessed = await page.get("/ui/account")
        listed = await page.get("/ui/account/time-zone")
        answer = await page.post("/ui/account/time-zone", data={"timezone": "Europe/Berlin"})
        kept = await page.get(went_to(answer))
        await page.post("/ui/account/time-zone", data={"timezone": ""})

    assert "Not known yet." in text_of(unknown)
    assert "Your browser says Asia/Tokyo, where it is" in text_of(guessed)
    assert "<option selected>Asia/Tokyo</option>" in listed.text
    assert "Europe/Berlin, where it is" in text_of(kept)
    assert await world.db.fetchval("SELECT timezone FROM users") is None


@pytest.mark.parametrize("zone", ["Mars/Olympus", "<script>", "../../etc/passwd", "x" * 65])
async def test_no_other_time_zone_is_taken(world: World, zone: str) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        answer = await page.post("/ui/account/time-zone", data={"timezone": zone})

    assert answer.status_code == 422
    assert "Choose a time zone of the list." in text_of(answer)


async def test_another_address_is_asked_for_in_two_steps(world: World, mailbox: Mailbox) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        sent = await page.post("/ui/account/email", data={"email": "new@example.org"})
        answer = await page.get(went_to(sent))
        others = await page.get("/ui/recover?sent=yes")

    assert "new@example.org" not in others.text  # an address of another form
    assert "A link is on its way to new@example.org." in text_of(answer)
    assert "Until then you sign in with ada@example.com." in text_of(answer)
    assert await world.db.fetchval("SELECT email FROM users") == "ada@example.com"
    assert "/ui/email#" in (await mailbox.next("new@example.org")).text


async def test_a_taken_address_gets_the_same_answer(world: World) -> None:
    await world.make_user()
    await world.make_user("bob@example.com")
    async with signed_in(world) as page:
        sent = await page.post("/ui/account/email", data={"email": "bob@example.com"})
        answer = await page.get(went_to(sent))

    assert "A link is on its way to bob@example.com." in text_of(answer)


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("ADA@example.com", "This is your present address."),
        ("nobody", "Type an address such as ada@example.com."),
        (HOSTILE, "Type an address such as ada@example.com."),
        ("", "Type an address such as ada@example.com."),
        ("ada@xn--80ak6aa92e.com", "No account may have this address."),
    ],
)
async def test_an_address_that_cannot_be_is_refused(world: World, email: str, words: str) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        answer = await page.post("/ui/account/email", data={"email": email})

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert "<img src=x" not in answer.text


async def test_another_address_needs_a_recent_sign_in_and_goes_on_after_it(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        clock.advance(3600)
        asked = await page.post("/ui/account/email", data={"email": "new@example.org"})
        proven = await page.post(
            "/ui/account/email", data={"email": "new@example.org", "step-up-password": PASSWORD}
        )
        told = await page.get(went_to(proven))

    assert asked.status_code == 401
    assert '<input type="hidden" name="email" value="new@example.org">' in asked.text
    assert "A link is on its way to new@example.org." in text_of(told)


async def test_a_stranger_signs_in_first(world: World) -> None:
    async with world.client(**OURS) as page:
        for path in ("/ui/account", "/ui/account/time-zone", "/ui/account/email"):
            answer = await page.get(path)
            assert went_to(answer).startswith("/ui/sign-in?return_to=%2Fauth%2Fui%2Faccount")
            assert (await page.post(path)).status_code == 401


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_help_is_there_for_strangers_and_keeps_the_language(
    world: World, language: str
) -> None:
    async with world.client(**OURS) as page:
        answer = await page.get("/ui/help", params={"lang": language})
        again = await page.get("/ui/help")

    for shown in (answer, again):
        assert shown.status_code == 200
        assert f'<html lang="{language}">' in shown.text
        assert 'href="/auth/ui/recover"' in shown.text


async def test_times_are_shown_in_the_zone_that_the_account_has_chosen(world: World) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        page.cookies.set("keyfob-zone", "Asia%2FTokyo")
        of_the_browser = await page.get("/ui/account")
        await page.post("/ui/account/time-zone", data={"timezone": "Europe/Berlin"})
        chosen = await page.get("/ui/account")

    assert 'data-zone="Asia/Tokyo"' in of_the_browser.text
    assert 'data-zone="Europe/Berlin"' in chosen.text
    assert 'data-zone="Asia/Tokyo"' not in chosen.text
