"""The pages that links in mails open, as served; test_pages_in_a_browser uses them in a browser."""

import re
from pathlib import Path

import httpx
import pytest
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import World

import keyfob.web
from keyfob.core.locales import Locale

PAGES = ["verify", "recover", "invite", "email"]
STATIC = Path(keyfob.web.__file__).parent / "static"


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_loads_only_what_is_ours(api: httpx.AsyncClient, page: str) -> None:
    html = await api.get(f"/auth/ui/{page}")

    assert html.status_code == 200
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assets = re.findall(r'(?:src|href)="([^"]+)"', html.text)
    assert len(assets) == 3
    for asset in assets:
        assert asset.startswith("/auth/ui/")
        answer = await api.get(asset)
        assert answer.status_code == 200, asset
        assert answer.headers["cache-control"] == "public, max-age=3600"
        assert not re.findall(r"(?:https?:)?//[a-z]", answer.text.replace("http://www.w3.org", ""))
    assert "$" not in html.text


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_runs_nothing_inline_and_is_found_and_framed_by_nobody(
    api: httpx.AsyncClient, page: str
) -> None:
    html = await api.get(f"/ui/{page}")

    policy = dict(
        directive.strip().split(" ", 1)
        for directive in html.headers["content-security-policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", html.text) == []
    assert html.headers["referrer-policy"] == "no-referrer"
    assert html.headers["x-robots-tag"] == "noindex"
    assert html.headers["cross-origin-opener-policy"] == "same-origin"
    assert html.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("page", PAGES)
async def test_to_open_a_page_does_nothing(api: httpx.AsyncClient, page: str) -> None:
    with recorded_statements() as statements:
        for address in (f"/ui/{page}", f"/ui/{page}?lang=ru", f"/ui/{page}/"):
            assert (await api.get(address)).status_code == 200
        assert (await api.post(f"/ui/{page}")).status_code == 405

    assert statements == []


async def test_every_field_has_its_label(api: httpx.AsyncClient) -> None:
    for page in PAGES:
        html = (await api.get(f"/ui/{page}")).text
        fields = set(re.findall(r'<input id="([\w-]+)"', html))
        assert fields == set(re.findall(r'<label for="([\w-]+)"', html))


async def test_both_languages_say_everything(world: World) -> None:
    script = (STATIC / "page-texts.js").read_text(encoding="utf-8")
    told = re.findall(r"(?ms)^const (\w\w) = \{\n(.+?)^\};", script)
    words = {
        language: set(re.findall(r'^  "?([\w.]+)"?:', part, re.MULTILINE))
        for language, part in told
    }
    in_html = set()
    for page in PAGES:
        html = (await world.api.get(f"/ui/{page}")).text
        in_html |= set(re.findall(r'data-text="([\w.]+)"', html))
    code = (STATIC / "page.js").read_text(encoding="utf-8")
    used = set(re.findall(r'(?<![-\w])texts(?:\.(\w+)|\["([\w.]+)"\])', code))

    assert set(words) == {*Locale}
    assert words["ru"] == words["en"] | in_html
    assert in_html & words["en"] == set()
    assert {name or key for name, key in used} <= words["en"]


async def test_passwords_are_hidden_and_may_be_pasted_and_kept(api: httpx.AsyncClient) -> None:
    fields = []
    for page in ("verify", "recover", "invite", "email"):
        html = (await api.get(f"/ui/{page}")).text
        fields += re.findall(r'<input id="(?:new-)?password"[^>]*>', html)
    script = (STATIC / "page.js").read_text(encoding="utf-8")

    assert len(fields) == 5
    assert all('type="password"' in field for field in fields)
    assert [re.findall(r'autocomplete="([\w-]+)"', field) for field in fields] == [
        ["current-password"],
        ["new-password"],
        ["new-password"],
        ["new-password"],
        ["current-password"],
    ]
    assert "paste" not in script
