"""Sessions are shown twenty at a time, to their owner and to administrators."""

import re

import pytest
from tests.fixtures.world import World
from tests.web.account_pages import signed_in, text_of
from tests.web.markup import ensure_sound, parse

from keyfob.authority.models import Role

MORE = 42


@pytest.mark.parametrize("who", ["owner", "administrator"])
async def test_all_sessions_can_be_reached(world: World, who: str) -> None:
    user_id = await world.make_user()
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with signed_in(world), signed_in(world, "root@example.com") as root:
        await world.db.execute(
            """
            INSERT INTO sessions
            SELECT (jsonb_populate_record(s, jsonb_build_object(
                'id', gen_random_uuid(), 'ip_address', '10.0.0.' || n,
                'login_at', s.login_at - n * interval '1 minute'))).*
              FROM sessions s, generate_series(1, $2) n WHERE s.user_id = $1
            """,
            user_id,
            MORE,
        )
        async with signed_in(world) as own:  # newest, and first
            page, path = own, "/ui/account/activity"
            if who == "administrator":
                page, path = root, f"/console/users/{user_id}"
            first = await page.get(path)
            link = re.search(r'href="/auth([^"]*)#sessions" rel="next"', first.text)
            assert link
            others = [
                await page.get(one) for one in (link[1].replace("&amp;", "&"), f"{path}?sessions=3")
            ]
            odd = [
                await page.get(f"{path}?sessions={one}")
                for one in ("0", "-1", "x", "\u0663", "9" * 9, "99")
            ]

    shown = [first, *others]
    for answer in (*shown, *odd):
        assert answer.status_code == 200
        ensure_sound(parse(answer.text))
    listed = [
        set(
            re.findall(
                r"10\.0\.0\.\d+", one.text.partition('id="sessions"')[2].partition("</section>")[0]
            )
        )
        for one in shown
    ]
    assert sum(map(len, listed)) == len(set.union(*listed)) == MORE
    assert "1 to 20 of 44" in text_of(first)
    assert "41 to 44 of 44" in text_of(others[-1])
    assert (
        'rel="next"' not in others[-1].text.partition('id="sessions"')[2].partition("</section>")[0]
    )
    assert "41 to 44 of 44" in text_of(odd[-1])
    assert all("1 to 20 of 44" in text_of(one) for one in odd[:-1])
