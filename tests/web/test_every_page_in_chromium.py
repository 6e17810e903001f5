"""Every page of the app, as each kind of reader sees it in a real Chromium.

Whatever a person or the header of a client can fill has a name from hell. The pictures in
tests/web/aria are what each page says to a screen reader; `make pictures` writes them anew.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Literal

import httpx
import pytest
from tests.fixtures.apps import make_app
from tests.fixtures.chromium import find_program
from tests.fixtures.clock import MovableClock
from tests.fixtures.device_apps import make_device_app
from tests.fixtures.factors import Authenticator, add_totp, ask_for_factor, show_factor
from tests.fixtures.gallery import NAMES
from tests.fixtures.passkeys import add as add_passkey
from tests.fixtures.world import PASSWORD, SignedIn, World
from tests.web.in_chromium import STILL, Reader, differs, reading
from tests.web.markup import OURS, is_page, page_routes

from keyfob.authority.models import Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_program() is None, reason="there is no chromium here"),
]

HOSTILE = NAMES[3]
ROOT = "root@example.com"
# Headers that a client fills, and that are kept: its browser in the log, its id of a request.
HEADERS = {
    "User-Agent": f"Mozilla/5.0 ({HOSTILE}) Chrome/140.0.0.0",
    "X-Request-ID": "x" * 64,
    "Referer": f"http://localhost/{HOSTILE}",
    "Accept-Language": f"en,{HOSTILE}",
}
STATES = {
    "stranger": ["/ui/sign-in?why=step_ended&email=a@b.c", "/ui/nowhere", "/console"],
    "user": ["/ui/account?done=profile", "/console"],
    "admin": [
        "/console/users?search=nobody-at-all",
        "/console/users?role=admin&status=active&sort=email",
        "/console/logins?outcome=refused",
        "/console/audit?user=x",
    ],
}
# These tell of settings, versions and known time zones, so that no picture is kept.
OF_THIS_MACHINE = {"console-service", "ui-account-time-zone"}
# Each kind of reader looks in several tests, which run beside each other.
AMONG = {"stranger": 1, "user": 2, "admin": 3}
PARTS = [(who, part) for who, parts in AMONG.items() for part in range(parts)]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
OF = {"stranger": "/ui", "user": "/ui", "admin": "/console"}  # where each reader looks


async def fill(world: World, clock: MovableClock) -> Authenticator:
    """Make people, factors, keys and sign-ins with names from hell; return Ada's app."""
    await world.make_user(name=HOSTILE)
    clock.advance(1)
    await world.make_user(ROOT, role=Role.ADMIN, name=NAMES[1])
    for number, name in enumerate([*NAMES, "zero\u200bwidth", "a\u202egnp.exe", "\u2066b"]):
        try:
            clock.advance(1)
            await world.make_user(f"{'x' * 50}{number}@example.com", name=name)
        except ValueError:
            assert number >= len(NAMES)  # a direction that overrides others is no name
    async with world.client(**OURS, **HEADERS) as stranger:
        for email in ("ada@example.com", '"><svg/onload=alert(1)>"@example.com'):
            await stranger.post("/ui/sign-in", data={"email": email, "password": HOSTILE})
            clock.advance(1)  # so that what happens has an order
        own = await world.log_in(by=stranger)
    key = {"name": HOSTILE, "scope": ["account:read"]}
    (await world.api.post("/me/api-keys", json=key, headers=own.headers)).raise_for_status()
    clock.advance(1)
    app = await add_totp(world, own, clock, name=HOSTILE)
    clock.advance(1)
    shown = await show_factor(world, await ask_for_factor(world), code=app.code(1))
    clock.advance(1)
    await add_passkey(world, SignedIn.of(shown), name=HOSTILE)
    return app


@pytest.fixture
async def browsers(
    world: World, clock: MovableClock
) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Browsers of a stranger, of Ada, who has an app, and of an administrator."""
    app = await fill(world, clock)
    async with AsyncExitStack() as stack:
        kinds = {
            who: await stack.enter_async_context(world.client(**OURS, **HEADERS)) for who in STATES
        }
        typed = {"email": "ada@example.com", "password": PASSWORD}
        await kinds["user"].post("/ui/sign-in", data=typed)
        clock.advance(60)  # the codes until now were used
        await kinds["user"].post("/ui/factor", data={"code": app.code()})
        clock.advance(1)
        await kinds["admin"].post("/ui/sign-in", data=typed | {"email": ROOT})
        clock.advance(1)
        api = {"name": HOSTILE, "identifier": "https://orders.example.com", "scopes": "orders:read"}
        registered = await kinds["admin"].post("/console/resources/new", data=api)
        assert registered.status_code == 303
        clock.advance(1)
        form = await kinds["admin"].get("/console/clients/new")
        scope = re.search(r'value="([^"]* users:read)"', form.text)
        assert scope
        fields = {"name": HOSTILE, "scope": scope[1], "method": "client_secret_basic"}
        made = await kinds["admin"].post("/console/clients/new", data=fields)
        assert made.status_code == 200
        clock.advance(1)
        role = {"name": "support", "permission": ["users:read", "logins:read"]}
        defined = await kinds["admin"].post("/console/new-role", data=role)
        assert defined.status_code == 303
        await world.wiring.worker.last()  # writes what activity pages tell of
        yield kinds


async def pages_of(world: World, browser: httpx.AsyncClient, who: str) -> dict[str, str]:
    """Return the paths of pages that this reader can look at, by names for their pictures."""
    client_id = await world.db.fetchval("SELECT id FROM clients")
    resource_id = await world.db.fetchval("SELECT id FROM resources")
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email = 'ada@example.com'")
    paths = {}
    for route in page_routes(world, "GET"):
        about = "support" if "roles" in route.path else user_id
        about = client_id if "clients" in route.path else about
        about = resource_id if "resources" in route.path else about
        paths[route.path] = re.sub(r"\{\w+(?::\w+)?\}", str(about), route.path)
    paths = {name: path for name, path in paths.items() if path.startswith(OF[who])}
    paths |= {path: path for path in STATES[who]}
    return {
        re.sub(r"\W+", "-", name).strip("-"): path
        for name, path in sorted(paths.items())
        if is_page(await browser.get(path))
    }


async def faults_at(reader: Reader, picture: str, path: str) -> list[object]:
    """Look at a page in both languages, light and dark, and in every other way."""
    faults: list[object] = []
    query = path + ("&" if "?" in path else "?")
    for language in ("en", "ru"):
        await reader.page.emulate_media(color_scheme="light")
        await reader.open(f"{query}lang={language}")
        if language == "en":
            if len(reader.requests) > 8:
                faults.append((path, "requests", reader.requests))
            if (moved := await reader.moved(f"{query}lang=en")) > STILL:
                faults.append((path, "moves while it loads", moved))
        faults += await faults_as_it_is(reader, picture, path, language)
    return faults


async def faults_as_it_is(reader: Reader, picture: str, path: str, language: str) -> list[object]:
    """Look at what is shown, without asking for it again; `picture` may be empty."""
    faults: list[object] = []
    if language == "en" and picture:
        faults += differs(picture, await reader.picture())
    for scheme in SCHEMES:
        await reader.page.emulate_media(color_scheme=scheme)
        faults += [(path, language, scheme, one) for one in await reader.faults()]
    if language == "en":
        faults += [(path, "colours", one) for one in await reader.unseen_in_forced_colours()]
    return faults + [(path, language, one) for one in await reader.ways_to_scroll_sideways()]


@pytest.mark.parametrize(("who", "part"), PARTS)
async def test_every_page_is_sound_whoever_looks_at_it_in_whatever_way(
    world: World,
    clock: MovableClock,
    browsers: dict[str, httpx.AsyncClient],
    who: str,
    part: int,
) -> None:
    faults: list[object] = []
    pages = await pages_of(world, browsers[who], who)
    async with reading(browsers[who], clock.now()) as reader:
        for name, path in list(pages.items())[part :: AMONG[who]]:
            picture = "" if name in OF_THIS_MACHINE else f"{who}.{name}"
            faults += await faults_at(reader, picture, path)
    assert faults == []


async def test_the_pages_that_apps_lead_to_are_sound(
    world: World, clock: MovableClock, browsers: dict[str, httpx.AsyncClient]
) -> None:
    """Consent; and the questions of a device, which is allowed or not by a button."""
    faults: list[object] = []
    user, fields = browsers["user"], {"name": HOSTILE}
    app, device = await make_app(world, **fields), await make_device_app(world, **fields)
    asked = await app.send(user, scope="openid email profile offline_access")
    async with reading(user, clock.now()) as reader:
        path = asked.headers["location"].removeprefix("/auth")
        faults += await faults_at(reader, "user.consent", path)
        for language, decision in [(one, two) for one in ("en", "ru") for two in ("allow", "deny")]:
            code = (await device.codes())["user_code"]
            await reader.open(f"/ui/device?lang={language}")
            await reader.page.locator("[name=user_code]").fill(code)
            await reader.page.locator("main [type=submit]").first.click()
            asks = reader.page.locator(f"[name=decision][value={decision}]")
            await asks.wait_for()
            if decision == "allow":
                faults += await faults_as_it_is(reader, "", "device asks", language)
            await asks.click()
            await reader.page.wait_for_url("**/ui/device?decided=*")
            await asks.wait_for(state="detached")
            picture = f"user.device-{decision}"
            faults += await faults_as_it_is(reader, picture, picture, language)
    assert faults == []
