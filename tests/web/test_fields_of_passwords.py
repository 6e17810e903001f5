"""Passwords and codes can be pasted and filled in by a manager."""

import re
from pathlib import Path

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.world import PASSWORD, World
from tests.web.markup import OURS, forms_of

import keyfob.web

STATIC = Path(keyfob.web.__file__).parent / "static"


def test_no_script_hinders_a_paste() -> None:
    scripts = [file.read_text(encoding="utf-8") for file in STATIC.glob("*.js")]

    assert scripts
    assert [one for one in scripts if re.search("paste|clipboardData", one)] == []


async def test_both_fields_of_the_sign_in_are_in_one_form_and_the_code_is_one_field(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    await add_totp(world, await world.log_in(), clock)
    async with world.client(**OURS) as browser:
        form = forms_of(await browser.get("/ui/sign-in"))[0]
        assert [one.name for one in form.inputs] == ["return_to", "email", "password"]
        body = {"email": "ada@example.com", "password": PASSWORD}
        assert (await browser.post("/ui/sign-in", data=body)).status_code == 303
        asked = await browser.get("/ui/factor")

    code = re.search(r'<input[^>]* name="code"[^>]*>', asked.text)
    assert code
    for attribute in ('inputmode="numeric"', 'autocomplete="one-time-code"', 'type="text"'):
        assert attribute in code[0]
    assert 'maxlength="6"' not in code[0]
