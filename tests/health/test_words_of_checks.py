"""The findings of the check-up are in the language of whoever reads them."""

import ast
import inspect
import re
from collections.abc import Iterator

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.pseudo import PseudoTranslations
from tests.fixtures.world import SignedIn, World
from tests.web.account_pages import signed_in

from keyfob.authority.models import Role
from keyfob.core.locales import CATALOGUES, Locale, speaking
from keyfob.health import checks
from keyfob.health.checks import Checks, Finding, check_settings
from keyfob.mail.room import what_mail_exposes
from keyfob.settings import Settings

_MARKERS = {"_", "ngettext", "pgettext"}


def spoken(settings: Settings) -> Iterator[str]:
    for finding in check_settings(settings):
        yield from (finding.part, finding.says)


def strange(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update=changes)


@pytest.fixture
def pseudo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the made-up language in the place of English, where a language is chosen."""
    monkeypatch.setitem(CATALOGUES, Locale.ENGLISH, PseudoTranslations())


@pytest.mark.usefixtures("pseudo")
async def test_what_a_running_service_finds_is_marked(world: World) -> None:
    with speaking(Locale.ENGLISH):
        found = [one async for one in world.service(Checks).run()]

    assert len(found) > 6
    assert [one for one in found if "[!!!" not in one.part or "[!!!" not in one.says] == []


@pytest.mark.usefixtures("pseudo")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"limits": "off", "bcrypt_cost": 4},
        {"trusted_proxies": ["10.0.0.1"], "public_url": "http://auth.example.com"},
    ],
)
def test_what_settings_tell_is_marked(settings: Settings, changes: dict[str, object]) -> None:
    told = strange(settings, **changes)
    with speaking(Locale.ENGLISH):
        assert [said for said in spoken(told) if not said.startswith("[!!!")] == []
        exposed = what_mail_exposes(told)
    assert exposed is None or exposed.startswith("[!!!")


def test_no_sentence_of_the_checks_is_left_unmarked() -> None:
    """Also those of states that no test can bring about: each text of several words is marked."""
    tree = ast.parse(inspect.getsource(checks))
    marked, prose = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in _MARKERS:
                marked |= {id(one) for one in ast.walk(node)}
        elif isinstance(node, ast.Expr):
            prose.add(id(node.value))  # docstrings
    texts = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    unmarked = [one.value for one in texts if id(one) not in marked | prose]

    assert [text for text in unmarked if re.search(r"\w \w", text)] == []
    assert [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)] == []


async def test_the_console_says_them_in_russian_and_the_api_in_english(world: World) -> None:
    await world.make_user("root@example.com", role=Role.ADMIN)
    root = await world.log_in("root@example.com")
    async with signed_in(world, "root@example.com") as page:
        await page.get("/ui/help?lang=ru")
        shown = await page.post("/console/service/checks")
    told = await world.api.get("/admin/service/checks", headers=root.headers)

    card = shown.text.partition('id="checks"')[2].partition("</section>")[0]
    names = {Finding(**one).part for one in told.json()}
    assert {"settings", "bcrypt cost", "mail server"} <= names
    assert "стоимость bcrypt" in card
    assert [name for name in names if f">{name}<" in card] == []


async def test_a_caller_has_six_check_ups_a_minute(settings: Settings, clock: MovableClock) -> None:
    async with World(settings.model_copy(update={"limits": "on"}), clock) as world:
        one, other = await world.make_admin(), await world.make_admin("other@example.com")

        async def ask(caller: SignedIn) -> int:
            answer = await world.api.get("/admin/service/checks", headers=caller.headers)
            return answer.status_code

        assert [await ask(one) for _ in range(7)] == [200] * 6 + [429]
        assert await ask(other) == 200
        clock.advance(60)
        assert await ask(one) == 200
