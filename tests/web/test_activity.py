"""The page of activity: sessions, the timeline, and what to do when it was somebody else."""

import re
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.fixtures.apps import make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.world import CLIENT, PASSWORD, World
from tests.web.account_pages import CHROME, HOSTILE, OURS, signed_in, text_of, went_to

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"
PAGE = "/ui/account/activity"
NOBODYS = "01a20320-a200-702c-a97d-68f8624a8ef0"


async def live(world: World) -> int:
    count: int = await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL")
    return count


async def test_sessions_are_listed_this_one_first(world: World, clock: MovableClock) -> None:
    await world.make_user()
    async with signed_in(world, **{"User-Agent": CHROME}) as page:
        clock.advance(60)
        async with signed_in(world, **{"User-Agent": FIREFOX}):
            await world.log_in()
            shown = text_of(await page.get(PAGE))

    sessions = shown.partition("What happened")[0]
    assert sessions.index("Chrome 140, Linux this one") < sessions.index("Firefox 130, Windows 10")
    assert "application" in sessions
    assert CLIENT in shown
    assert "Signed in with the password" in shown


async def test_one_session_ends(world: World) -> None:
    await world.make_user()
    other = await world.log_in()
    async with signed_in(world) as page:
        answer = await page.post(f"/ui/account/sessions/{other.session_id}/end")
        shown = await page.get(went_to(answer))

    assert "That session has ended." in shown.text
    assert await live(world) == 1
    assert (await world.refresh(other.refresh)).status_code == 401


async def test_all_others_end_and_this_one_goes_on(world: World) -> None:
    await world.make_user()
    others = [await world.log_in() for _ in range(2)]
    async with signed_in(world) as page:
        asked = await page.get(PAGE)
        answer = await page.post("/ui/account/sessions/end-others")
        shown = await page.get(went_to(answer))

    assert "2 sessions end at once." in asked.text
    assert "All other sessions have ended." in shown.text
    assert await live(world) == 1
    assert [(await world.refresh(one.refresh)).status_code for one in others] == [401, 401]


async def test_nobody_ends_the_session_of_another_user(world: World) -> None:
    await world.make_user()
    await world.make_user("bob@example.com")
    bob = await world.log_in("bob@example.com")
    async with signed_in(world) as page:
        for session_id in (bob.session_id, NOBODYS):
            answer = await page.post(f"/ui/account/sessions/{session_id}/end")
            assert answer.status_code == 404
            assert "This session has ended already." in text_of(answer)
        assert (await page.post("/ui/account/sessions/1/end")).status_code == 404
        await page.post("/ui/account/sessions/end-others")

    assert await live(world) == 2


async def test_the_timeline_says_who_changed_what(world: World) -> None:
    user_id = await world.make_user()
    root = await world.make_admin()
    told = {"role": "moderator"}
    changed = await world.api.patch(f"/admin/users/{user_id}", json=told, headers=root.headers)
    assert changed.status_code == 200
    async with signed_in(world) as page:
        await page.post("/ui/account", data={"name": "Ada"})
        shown = text_of(await page.get(PAGE))

    assert "Profile changed" in shown
    assert re.search(
        r"Role of the account changed by an administrator Role user → moderator", shown
    )
    assert "root@example.com" not in shown


async def test_refused_sign_ins_fold(world: World, clock: MovableClock) -> None:
    await world.make_user()
    for _ in range(3):
        await world.attempt_login(password="wrong password", by="203.0.113.9")
        clock.advance(60)
    async with signed_in(world) as page:
        shown = text_of(await page.get(PAGE))

    assert re.search(r"Wrong password, 3 times since \d\d:\d\d 203\.0\.113\.9", shown)
    assert shown.count("Wrong password") == 1


async def test_another_users_lines_are_not_shown(world: World) -> None:
    await world.make_user()
    await world.make_user("bob@example.com")
    await world.attempt_login("bob@example.com", "wrong password", by="203.0.113.9")
    async with signed_in(world) as page:
        shown = text_of(await page.get(PAGE))

    assert "203.0.113.9" not in shown
    assert "Wrong password" not in shown


async def test_older_lines_follow_on_further_pages(world: World, clock: MovableClock) -> None:
    user_id = await world.make_user()
    await world.db.execute(
        """
        INSERT INTO login_events (id, at, user_id, outcome, reason, device_type)
        SELECT gen_random_uuid(), $2::timestamptz - n * interval '1 hour', $1, 'succeeded',
               'passkey', 'unknown'
          FROM generate_series(1, 120) AS n
        """,
        user_id,
        clock.now(),
    )
    async with signed_in(world) as page:
        found, path = 0, PAGE
        for _ in range(3):
            answer = await page.get(path)
            found += text_of(answer).count("Signed in with a passkey")
            on = re.search(r'href="/auth([^"]*before=[^"]*)"', answer.text)
            path = on[1] if on else ""

    assert (found, path) == (120, "")
    assert "Sessions" not in text_of(answer)


@pytest.mark.parametrize("before", ["x", "2026", "0001-01-01T00:00:00+14:00", HOSTILE, "9" * 400])
async def test_a_made_up_place_of_the_timeline_is_harmless(world: World, before: str) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        answer = await page.get(PAGE, params={"before": before})

    assert answer.status_code == 200
    assert "<img src=x" not in answer.text


async def test_a_device_from_hell_is_text(world: World) -> None:
    await world.make_user()
    agents = (HOSTILE, f"<b>/1 {HOSTILE}")
    for agent in agents:
        async with world.client(**{"User-Agent": agent}) as hostile:
            await world.log_in(by=hostile)
            await world.attempt_login(password="wrong", by=hostile)
    await world.db.execute("UPDATE sessions SET browser = $1, os = $2", HOSTILE, "a\u202eb")
    await world.db.execute("UPDATE login_events SET browser = $1, os = $2", HOSTILE, "a\u202eb")
    async with signed_in(world) as page:
        answer = await page.get(PAGE)

    assert "<img src=x" not in answer.text
    assert "\u202e" not in answer.text
    assert "{{7*7}}, aU+202Eb" in text_of(answer)


async def test_it_was_somebody_else(world: World, clock: MovableClock) -> None:
    await world.make_user()
    other = await world.log_in()
    async with signed_in(world) as page:
        before = await page.get(f"{PAGE}/not-me")
        answer = await page.post("/ui/account/sessions/end-others", data={"next": "not-me"})
        after = await page.get(went_to(answer))

    assert "1 other session is open." in text_of(before)
    assert "You have none." in text_of(before)
    assert went_to(answer) == f"{PAGE}/not-me?done=others"
    assert "No other session is open." in text_of(after)
    assert (await world.me(other)).status_code == 401


async def test_an_app_that_somebody_else_allowed_is_out_with_the_others(world: World) -> None:
    await world.make_user()
    app = await make_app(world)
    async with signed_in(world) as page:
        tokens = await app.tokens(page, scope="openid offline_access")
        before = text_of(await page.get(f"{PAGE}/not-me"))
        await page.post("/ui/account/sessions/end-others", data={"next": "not-me"})
        after = text_of(await page.get(f"{PAGE}/not-me"))
        refused = await app.refresh(tokens["refresh_token"])

    assert "1 app is signed in as you. It is out at once, too." in before
    assert "Sign out all others" in before
    assert "No other session is open." in after
    assert refused.json()["error"] == "invalid_grant"


async def test_it_names_what_one_has_pointed_at_through_all_steps(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    for _ in range(3):
        await world.attempt_login(password="wrong password", by="203.0.113.9")
        clock.advance(60)
    await world.log_in(by="203.0.113.10")
    clock.advance(60)
    async with signed_in(world) as page:
        shown = await page.get(PAGE)
        links = [
            unescape(one) for one in re.findall(r'href="/auth([^"]*not-me\?[^"]*)"', shown.text)
        ]
        refused = text_of(await page.get(links[2]))
        entered = text_of(await page.get(links[1]))
        ended = await page.post(
            "/ui/account/sessions/end-others",
            data={"next": "not-me", **dict(parse_qsl(urlsplit(links[1]).query))},
        )
        after = await page.get(went_to(ended))
        onward = re.search(r'href="/auth(/ui/account/password\?[^"]*)"', after.text)
        assert onward
        form = await page.get(unescape(onward[1]))
        back = re.search(r'name="return_to" value="([^"]*)"', form.text)
        assert back
        clock.advance(1)
        changed = await page.post(
            "/ui/account/password",
            data={
                "current_password": PASSWORD,
                "new_password": "another horse battery",
                "return_to": unescape(back[1]),
            },
        )
        last = text_of(await page.get(went_to(changed)))

    assert "Wrong password, 3 times since" in refused
    assert "203.0.113.9" in refused
    assert "Nobody came in by this." in refused
    for text in (entered, text_of(after), last):
        assert "Signed in with the password" in text
        assert "203.0.113.10" in text
    assert "No other session is open." in text_of(after)
    assert "You have changed it since then." not in text_of(after)
    assert "You have changed it since then." in last


@pytest.mark.parametrize(
    "query",
    [
        "at=x&since=y",
        "at=2026-01-01T00:00:00Z",
        "at=9999-12-31T23:59:59.999999Z&since=0001-01-01T00:00:00Z",
        "at=2026-01-01T00:00:00Z&since=2027-01-01T00:00:00Z",
        "at=" + "9" * 400 + "&since=1",
    ],
)
async def test_an_event_that_is_not_there_is_not_named(world: World, query: str) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        answer = await page.get(f"{PAGE}/not-me?{query}")

    assert answer.status_code == 200
    assert "What you have pointed at" not in answer.text


async def test_it_names_factors_to_look_at(world: World, clock: MovableClock) -> None:
    await world.make_user()
    own = await world.log_in()
    app = await add_totp(world, own, clock, "<b>Phone</b>")
    clock.advance(60)
    async with world.client(**OURS) as page:
        form = {"email": "ada@example.com", "password": PASSWORD}
        await page.post("/ui/sign-in", data=form)
        await page.post("/ui/factor", data={"code": app.code()})
        answer = await page.get(f"{PAGE}/not-me")

    assert answer.status_code == 200
    assert "&lt;b&gt;Phone&lt;/b&gt;" in answer.text


async def test_strangers_sign_in_first(world: World) -> None:
    async with world.client(**OURS) as page:
        for path in (PAGE, f"{PAGE}/not-me"):
            assert went_to(await page.get(path)).startswith("/ui/sign-in")
        for path in (f"/ui/account/sessions/{NOBODYS}/end", "/ui/account/sessions/end-others"):
            assert (await page.post(path)).status_code == 401
