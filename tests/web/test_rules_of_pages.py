"""Rules that hold for every page, whoever asks: the routes are read from the app.

Ada and the administrator have names from hell, and so have the devices in their logs.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import APIRoute
from tests.fixtures.postgres import TABLES
from tests.fixtures.pseudo import PseudoTranslations
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import HOSTILE, signed_in
from tests.web.markup import OURS, ensure_sound, forms_of, is_page, page_routes, parse

from keyfob.authority.models import Role
from keyfob.core.locales import CATALOGUES, Locale
from keyfob.limits.requests import Limited

PAYLOAD = '"><svg onload=alert(1)>'
SCRIPT = re.compile(r"<svg onload|<img src=x", re.IGNORECASE)
USER_AGENT = "Mozilla/5.0 (<img src=x onerror=alert(1)>) \"'{{7*7}}"
SOMEBODY = "01890000-0000-7000-8000-000000000000"
ROOT = "root@example.com"
COOKIE = "keyfob-http"
# What a query may say to some page.
QUERIES = (
    *("return_to", "why", "email", "lang", "way", "done", "q", "search", "sort", "order", "role"),
    *(
        "status",
        "after",
        "before",
        "cursor",
        "size",
        "action",
        "from",
        "to",
        "user",
        "open",
        "view",
    ),
)
# Ends the session that asks: to be asked again, one signs in again.
ENDING = {"/ui/sign-out"}


@dataclass
class Readers:
    """A stranger, a user and an administrator, each with a browser; `user_id` is the user's."""

    world: World
    user_id: str
    browsers: dict[str, httpx.AsyncClient]

    def path(self, route: APIRoute) -> str:
        """Return a path of a route, about the user wherever it asks for an id."""
        return re.sub(r"\{\w+(?::\w+)?\}", self.user_id, route.path)

    def gets(self) -> list[str]:
        return sorted({self.path(route) for route in page_routes(self.world, "GET")})

    def posts(self) -> list[str]:
        return sorted({self.path(route) for route in page_routes(self.world, "POST")})

    async def send(self, who: str, path: str, **form: Any) -> httpx.Response:
        """Send a form as somebody who is signed in, whatever an earlier form has ended."""
        browser = self.browsers[who]
        if who != "stranger" and COOKIE not in browser.cookies:
            await self._sign_in(who)
        answer = await browser.post(path, **form)
        if who != "stranger" and "/ui/sign-in" in answer.headers.get("location", ""):
            await self._sign_in(who)  # unless it leads there of itself
            answer = await browser.post(path, **form)
        return answer

    async def _sign_in(self, who: str) -> None:
        browser = self.browsers[who]
        if (await browser.get("/ui/sign-out")).status_code != 200:
            email = ROOT if who == "admin" else "ada@example.com"
            form = {"email": email, "password": PASSWORD}
            assert (await browser.post("/ui/sign-in", data=form)).status_code == 303


@pytest.fixture
async def readers(world: World) -> AsyncIterator[Readers]:
    user_id = await world.make_user(name=HOSTILE)
    await world.make_user(ROOT, role=Role.ADMIN, name=HOSTILE)
    hostile = {"User-Agent": USER_AGENT}
    async with AsyncExitStack() as stack:
        stranger = await stack.enter_async_context(world.client(**OURS, **hostile))
        await stranger.post("/ui/sign-in", data={"email": "ada@example.com", "password": PAYLOAD})
        ada = await stack.enter_async_context(signed_in(world, **hostile))
        root = await stack.enter_async_context(signed_in(world, ROOT, **hostile))
        yield Readers(world, str(user_id), {"stranger": stranger, "user": ada, "admin": root})


async def everything(world: World) -> dict[str, str]:
    """Return a digest of each table."""
    return {
        table: await world.db.fetchval(
            f"SELECT md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) FROM {table} t"
        )
        for table in TABLES
    }


def limit_of(route: APIRoute) -> list[Any]:
    return [one.dependency for one in route.dependencies if isinstance(one.dependency, Limited)]


WHO = pytest.mark.parametrize("who", ["stranger", "user", "admin"])


@pytest.fixture(params=["en", "ru", "pseudo"])
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both languages, and the made-up one in the place of English."""
    if request.param == "pseudo":
        monkeypatch.setitem(CATALOGUES, Locale.ENGLISH, PseudoTranslations())
    return "ru" if request.param == "ru" else "en"


@WHO
async def test_every_page_is_sound_in_each_language(
    readers: Readers, who: str, language: str
) -> None:
    seen = 0
    await readers.browsers[who].get(f"/ui/help?lang={language}")
    for path in readers.gets():
        answer = await readers.browsers[who].get(path)
        assert answer.status_code < 500, path
        policy = answer.headers.get("content-security-policy", "")
        if answer.status_code < 400 or is_page(answer):
            assert "no-store" in answer.headers["cache-control"], path
        if is_page(answer):
            seen += 1
            assert "frame-ancestors 'none'" in policy, path
            assert f'<html lang="{language}">' in answer.text, path
            assert answer.headers["content-language"] == language
            assert not SCRIPT.search(answer.text), path
            ensure_sound(parse(answer.text))
        elif answer.status_code in {301, 302, 303, 307, 308}:
            assert "frame-ancestors 'none'" in policy, path
    assert seen > (4 if who == "stranger" else 10)


@WHO
async def test_to_look_changes_nothing_whatever_asks_for_it(readers: Readers, who: str) -> None:
    before = await everything(readers.world)

    for path in readers.gets():
        for headers in ({"Sec-Purpose": "prefetch"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = await readers.browsers[who].get(path, headers=headers)
            assert answer.status_code < 500, path
        assert (await readers.browsers[who].head(path)).status_code < 500, path

    assert await everything(readers.world) == before


UNSEEN = {
    "a picture": {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "a script's fetch": {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"},
    "a frame": {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
}


@pytest.mark.parametrize("what", UNSEEN)
@WHO
async def test_no_other_site_uses_up_the_limits_of_its_visitors(
    readers: Readers, who: str, what: str
) -> None:
    """Threat: a page that is left open fetches ours, and its visitors' network is refused."""
    told = UNSEEN[what] | {"Sec-Fetch-Site": "cross-site"}

    for path in readers.gets():
        answer = await readers.browsers[who].get(path, headers=told)
        assert (path, answer.status_code) == (path, 403)
        assert "ratelimit" not in answer.headers
    for path in ("/oauth2/authorize", "/oauth2/logout"):
        assert (await readers.browsers[who].post(path, headers=told)).status_code == 403


async def test_an_app_of_the_same_site_asks_in_a_frame(readers: Readers) -> None:
    frame = UNSEEN["a frame"] | {"Sec-Fetch-Site": "same-site"}
    fetch = UNSEEN["a picture"] | {"Sec-Fetch-Site": "same-site"}

    for told, status in ((frame, 400), (fetch, 403)):
        answer = await readers.browsers["user"].get("/oauth2/authorize", headers=told)
        assert answer.status_code == status


@pytest.mark.no_cover  # a sweep over what other tests cover
@WHO
async def test_no_other_origin_changes_anything(readers: Readers, who: str) -> None:
    before = await everything(readers.world)
    headers: list[dict[str, str]] = [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://sub.localhost:8000"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8001"},
        {},
    ]

    for told in headers:
        async with readers.world.client(**told) as other:
            other.cookies = readers.browsers[who].cookies
            for path in readers.posts():
                answer = await other.post(path, data={"email": "ada@example.com", "name": "Eve"})
                # Where apps send their users from anywhere: what is not an app's is refused, too.
                # A sign-out that nothing is said about is asked for on a page of ours.
                sent = {"/oauth2/authorize": 400, "/oauth2/logout": 303}
                assert (path, answer.status_code) == (path, sent.get(path, 403))

    assert await everything(readers.world) == before


async def test_a_stranger_s_empty_forms_are_refused(readers: Readers) -> None:
    """No step can be skipped: none of these was led to by the one before it."""
    before = await everything(readers.world)
    stranger = readers.browsers["stranger"]

    for path in set(readers.posts()) - ENDING:
        answer = await stranger.post(path)
        if answer.status_code == 303:
            assert answer.headers["location"].startswith("/auth/ui/"), path
        else:
            assert 400 <= answer.status_code < 500, path
        assert COOKIE not in stranger.cookies

    assert await everything(readers.world) == before


@pytest.mark.parametrize("who", ["user", "admin"])
async def test_no_empty_or_wrong_form_fails(readers: Readers, who: str) -> None:
    for path in readers.posts():
        for body in (b"", b"=&&%", b"%ff=1", b"token=%00&id=%00&name=%00&email=%00&q=%00"):
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = await readers.send(who, path, content=body, headers=headers)
            assert answer.status_code < 500, (path, body)


def names_on(answers: Iterator[httpx.Response]) -> set[str]:
    return {
        one.name
        for answer in answers
        if is_page(answer)
        for form in forms_of(answer)
        for one in form.inputs
        if one.name
    }


@pytest.mark.no_cover  # a sweep over what other tests cover
@WHO
async def test_nothing_that_is_sent_comes_back_as_markup(readers: Readers, who: str) -> None:
    browser = readers.browsers[who]
    answers = [await browser.get(path) for path in readers.gets()]
    names = names_on(iter(answers)) | set(QUERIES)
    for path in readers.gets():
        answer = await browser.get(path, params=dict.fromkeys(names, PAYLOAD))
        assert not SCRIPT.search(answer.text), path
        assert "<svg" not in answer.headers.get("location", "")
    typed = {name for name in names if not name.startswith("step-up")}
    for path in readers.posts():
        for fields in (typed, names):
            answer = await readers.send(who, path, data=dict.fromkeys(fields, PAYLOAD))
            assert answer.status_code < 500, path
            assert "<svg" not in answer.headers.get("location", "")
            if is_page(answer):
                assert not SCRIPT.search(answer.text), path
                ensure_sound(parse(answer.text))


@pytest.mark.no_cover  # a sweep over what other tests cover
@WHO
async def test_no_host_of_a_header_is_ever_told(readers: Readers, who: str) -> None:
    for path in readers.gets():
        for name in ("Host", "X-Forwarded-Host", "Forwarded"):
            value = f"{'host=' if name == 'Forwarded' else ''}good@evil.example"
            answer = await readers.browsers[who].get(path, headers={name: value})
            assert "evil.example" not in answer.text + str(answer.headers), path


async def test_every_form_is_limited(readers: Readers) -> None:
    posts = page_routes(readers.world, "POST")
    assert len(posts) > 20
    assert [route.path for route in posts if len(limit_of(route)) != 1] == []


TOKENS = {
    *("off", "name", "username", "username webauthn", "current-password", "new-password"),
    *("one-time-code", "email"),
}


@pytest.mark.no_cover  # a sweep over what other tests cover
@WHO
async def test_a_password_manager_finds_its_fields(readers: Readers, who: str) -> None:
    found = set()
    for path in readers.gets():
        answer = await readers.browsers[who].get(path)
        for form in forms_of(answer) if is_page(answer) else ():
            by_token = {one.autocomplete: one for one in form.inputs if one.type != "hidden"}
            passwords = [one for one in form.inputs if one.type == "password"]
            assert {one.autocomplete for one in passwords} <= {"current-password", "new-password"}
            typed = {one.autocomplete for one in form.inputs if one.type in {"text", "email"}}
            assert typed <= TOKENS, path
            if "new-password" in by_token:
                address = by_token["username"]
                assert address.is_readonly or path == "/ui/register", path
            found |= {(path, one.name, one.autocomplete) for one in form.inputs} & EXPECTED
    is_stranger = who == "stranger"
    absent = (
        {"/ui/account/password", "/ui/account"} if is_stranger else {"/ui/sign-in", "/ui/register"}
    )
    assert found == {one for one in EXPECTED if one[0] not in absent}


@pytest.mark.no_cover  # a sweep over what other tests cover
@WHO
async def test_passwords_are_hidden(readers: Readers, who: str) -> None:
    answers = [await readers.browsers[who].get(path) for path in readers.gets()]
    forms = [form for answer in answers if is_page(answer) for form in forms_of(answer)]
    found = [one for form in forms for one in form.inputs if "password" in one.name]

    assert found
    assert {one.type for one in found} == {"password"}


EXPECTED = {
    ("/ui/sign-in", "email", "username webauthn"),
    ("/ui/sign-in", "password", "current-password"),
    ("/ui/register", "name", "name"),
    ("/ui/register", "email", "username"),
    ("/ui/register", "password", "new-password"),
    ("/ui/recover", "email", "username"),
    ("/ui/verify", "email", "username"),
    ("/ui/account/password", "email", "username"),
    ("/ui/account/password", "current_password", "current-password"),
    ("/ui/account/password", "new_password", "new-password"),
    ("/ui/account", "name", "name"),
}


async def test_a_known_and_an_unknown_address_sign_in_alike(readers: Readers) -> None:
    stranger = readers.browsers["stranger"]
    answers = {}
    for email in ("ada@example.com", "eve@example.com"):
        body = {"email": email, "password": "not this one"}
        answer = await stranger.post("/ui/sign-in", data=body)
        shown = answer.text.replace(email, "").replace(quote(email), "")
        answers[email] = (answer.status_code, shown, sorted(answer.headers))
    assert answers["ada@example.com"] == answers["eve@example.com"]


@pytest.mark.parametrize(
    ("site", "accepted", "is_packed"),
    [
        ("same-origin", "gzip, br", True),
        ("none", "gzip", True),
        ("same-origin", "br", False),
        ("cross-site", "gzip", False),
        ("same-site", "gzip", False),
        ("", "gzip", False),
    ],
)
async def test_a_page_is_compressed_unless_another_site_led_there(
    world: World, site: str, accepted: str, is_packed: bool
) -> None:
    headers = {"Accept-Encoding": accepted} | ({"Sec-Fetch-Site": site} if site else {})
    answer = await world.api.get("/ui/sign-in", headers=headers)

    assert (answer.headers.get("content-encoding") == "gzip") is is_packed
    assert {"Accept-Encoding", "Sec-Fetch-Site"} <= set(answer.headers["vary"].split(", "))
    assert answer.text.startswith("<!doctype html>")
