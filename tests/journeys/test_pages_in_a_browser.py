"""The pages that links in mails open, in a real Chromium: from the mail to what came of it."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.chromium import Page, browsing, find_program
from tests.fixtures.world import PASSWORD, SignedIn
from tests.journeys.conftest import Instance, Start, wait_until

from keyfob.core.telemetry import mask_email

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_program() is None, reason="there is no chromium here"),
]

ADMIN_PASSWORD = "quite another battery"
NEW = "a battery of horses"
WALK = Path(__file__).parents[2] / "docs" / "account.md"


@pytest.fixture(scope="module")
def service(start: Start) -> Instance:
    """One that wants addresses to be proven, and prints its mails."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    instance = start(
        PORT=port,
        ISSUER=f"http://localhost:{port}/auth",
        ADMIN_PASSWORD=ADMIN_PASSWORD,
        VERIFY_EMAIL="required",
        LIMIT_VERIFY_EMAIL="600/minute",  # all of these are one client, within a minute
        LIMIT_RECOVER="600/minute",
    )
    wait_until(lambda: instance.is_ready, seconds=120)
    return instance


@pytest.fixture
async def page(service: Instance) -> AsyncIterator[Page]:
    async with browsing() as page:
        await page.call("Emulation.setLocaleOverride", locale="en-US")
        yield page


def link_to(service: Instance, name: str, email: str) -> str:
    """Wait for a mail to an address, with a link to a page, and return the newest link."""

    def find() -> str | None:
        lines = [json.loads(line) for line in service.said.splitlines() if line.startswith("{")]
        kept = [line for line in lines if line.get("event") == "mail_kept"]
        links = [line["link"] for line in kept if line["to"] == mask_email(email)]
        fitting = [link for link in links if f"/ui/{name}#" in link]
        return fitting[-1] if fitting else None

    found: str = wait_until(find)
    return found


def ask(service: Instance, path: str, body: Any = None, by: SignedIn | None = None) -> Any:
    """Call the API."""
    headers = by.headers if by else None
    return service.call("POST", path, json=body, headers=headers).raise_for_status()


def make_account(service: Instance, email: str) -> SignedIn:
    """Sign up, prove the address past the page, and sign in."""
    ask(service, "/register", {"email": email, "password": PASSWORD})
    token = link_to(service, "verify", email).partition("#token=")[2]
    return SignedIn.of(
        ask(service, "/verify-email/confirm", {"token": token, "password": PASSWORD})
    )


async def open_link(page: Page, link: str) -> None:
    """Open a link as from a mail; one that differs in its fragment alone would load nothing."""
    await page.go("about:blank")
    await page.go(link)
    await eventually(page, "document.querySelector('form:not([hidden])') || message.textContent")


async def eventually(page: Page, script: str) -> Any:
    """Wait until a script gives something true."""
    async with asyncio.timeout(60):
        while not (answer := await page.run(script)):  # noqa: ASYNC110 - of a page there is none
            await asyncio.sleep(0.05)
    return answer


async def send(page: Page, **fields: str) -> str:
    """Fill in the visible form, press its button, and return the page's message."""
    for name, value in fields.items():
        await page.run(f"document.getElementById('{name}').value = {json.dumps(value)}")
    await page.run("message.textContent = ''")
    await page.run("document.querySelector('form:not([hidden]) button').click()")
    return str(await eventually(page, "message.textContent"))


async def shown(page: Page) -> str | None:
    """Return the id of the visible form."""
    form: str | None = await page.run("document.querySelector('form:not([hidden])')?.id ?? null")
    return form


async def test_an_address_is_proven_by_a_button_and_not_by_opening(
    service: Instance, page: Page
) -> None:
    ask(service, "/register", {"email": "ada@example.com", "password": PASSWORD})
    link = link_to(service, "verify", "ada@example.com")

    for _ in range(2):  # as a filter of mails would, before its reader
        await open_link(page, link)
    token = link.partition("#token=")[2]
    assert token not in await page.run("location.href + JSON.stringify(history.state)")
    assert await page.run("document.activeElement.id") == "password"
    assert service.log_in("ada@example.com").status_code == 401
    assert "Something is missing" in await send(page)
    assert "if it was not you, say so" in await send(page, password="not hers")
    assert "confirmed" in await send(page, password=PASSWORD)
    assert await shown(page) is None
    ada = SignedIn.of(service.log_in("ada@example.com"))
    sessions = service.call("GET", "/me/sessions", headers=ada.headers).json()
    assert len(sessions) == 1  # the page has left none

    await open_link(page, link)
    assert "does not work" in await send(page, password=PASSWORD)
    assert await shown(page) == "ask"
    requests = [line for line in service.said.splitlines() if '"request"' in line]
    assert len(requests) > 5
    assert [line for line in requests if token in line] == []


async def test_who_did_not_sign_up_says_so_and_has_the_account(
    service: Instance, page: Page
) -> None:
    """In Russian, with a password that is too weak at first."""
    for password in (PASSWORD, "another stranger's"):
        ask(service, "/register", {"email": "iris@example.com", "password": password})
        link = link_to(service, "verify", "iris@example.com")
    await open_link(page, link.replace("#", "?lang=ru#"))
    assert await page.run("document.title") == "Подтверждение адреса"

    await page.run("document.getElementById('without').click()")
    assert await shown(page) == "fresh"
    assert await page.run("document.activeElement.id") == "new-password"
    assert "не меньше 8 символов" in await send(page, **{"new-password": "horse"})
    assert "пароль сохранён" in await send(page, **{"new-password": NEW})

    assert service.log_in("iris@example.com", NEW).status_code == 200
    assert service.log_in("iris@example.com", PASSWORD).status_code == 401


async def test_who_was_given_a_password_chooses_another_beside_the_proof(
    service: Instance, page: Page
) -> None:
    admin = SignedIn.of(service.log_in("admin@example.com", ADMIN_PASSWORD))
    body = {"email": "jean@example.com", "password": PASSWORD, "must_change_password": True}
    ask(service, "/admin/users", body, admin)
    await open_link(page, link_to(service, "verify", "jean@example.com"))

    await page.run(f"password.value = '{PASSWORD}'; document.querySelector('button').click()")
    await eventually(page, "!fresh.hidden")
    assert "a password of your own" in await page.run(
        "document.getElementById('fresh-lead').textContent"
    )
    assert "is set" in await send(page, **{"new-password": NEW})

    assert service.log_in("jean@example.com", NEW).status_code == 200


async def test_a_password_is_recovered_with_the_reason_why_one_is_too_weak(
    service: Instance, page: Page
) -> None:
    make_account(service, "bell@example.com")
    await page.go(f"{service.url}/ui/recover?lang=ru")
    assert await page.run("document.documentElement.lang") == "ru"
    assert await shown(page) == "ask"
    assert "письмо" in await send(page, asking="bell@example.com")
    link = link_to(service, "recover", "bell@example.com")

    await open_link(page, link.replace("#", "?lang=ru#"))
    assert await page.run("document.title") == "Новый пароль"
    assert await page.run("password.autocomplete") == "new-password"
    assert "не меньше 8 символов" in await send(page, password="horse")
    assert "пробуют первыми" in await send(page, password="password1")
    assert "похож на ваш адрес" in await send(page, password="bell@example.com")
    assert await page.run("password.getAttribute('aria-invalid')") == "true"
    assert await page.run("document.activeElement.id") == "password"
    assert "Новый пароль сохранён" in await send(page, password=NEW)

    assert service.log_in("bell@example.com", NEW).status_code == 200
    await open_link(page, link)
    assert "does not work" in await send(page, password=NEW)


async def test_a_link_stays_good_while_the_network_is_away(service: Instance, page: Page) -> None:
    make_account(service, "dora@example.com")
    ask(service, "/recover/request", {"email": "dora@example.com"})
    await open_link(page, link_to(service, "recover", "dora@example.com"))
    await page.call("Network.enable")
    weather = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}

    await page.call("Network.emulateNetworkConditions", offline=True, **weather)
    assert "no connection" in await send(page, password=NEW)
    await page.call("Network.emulateNetworkConditions", offline=False, **weather)

    assert "is set" in await send(page, password=NEW)


async def test_an_invitation_is_taken(service: Instance, page: Page) -> None:
    admin = SignedIn.of(service.log_in("admin@example.com", ADMIN_PASSWORD))
    ask(service, "/admin/users", {"email": "grace@example.com"}, admin)

    await open_link(page, link_to(service, "invite", "grace@example.com"))
    await page.run("document.getElementById('show').click()")
    assert await page.run("password.type") == "text"
    assert "is set" in await send(page, password=NEW)

    assert service.log_in("grace@example.com", NEW).status_code == 200
    await page.go(f"{service.url}/ui/invite")
    assert "opened by a link" in await page.run("message.textContent")


async def add_passkey(service: Instance, page: Page, caller: SignedIn) -> SignedIn:
    """Run the script of `docs/account.md`; return the session of its passkey."""
    walk = WALK.read_text(encoding="utf-8")
    (script,) = re.findall(r"(?ms)^```js\n(.+?)^```$", walk)
    begun = script.replace("the printed token", caller.access)
    told = begun.replace("console.log(kept, tokens);", "return {kept, tokens};")
    assert "return" in told
    await page.go(f"{service.url}/ui/verify")
    answer = await page.run(f"(async () => {{{told}}})()")
    assert len(answer["kept"]["recovery_codes"]) == 10
    tokens = answer["tokens"]
    return SignedIn(tokens["access_token"], tokens["refresh_token"], tokens["session_id"])


async def test_a_new_address_is_confirmed_by_its_owner_with_a_passkey(
    service: Instance, page: Page
) -> None:
    await page.plug_in()
    emmy = await add_passkey(service, page, make_account(service, "emmy@example.com"))
    ask(service, "/me/email", {"email": "noether@example.com"}, emmy)
    await open_link(page, link_to(service, "email", "noether@example.com"))

    assert "wrong" in await send(page, email="emmy@example.com", password="a wrong horse")
    await page.run("message.textContent = ''")
    await page.run(f"password.value = '{PASSWORD}'; document.querySelector('button').click()")
    await eventually(page, "!factor.hidden")
    assert "not right" in await send(page, code="000000")
    await page.run("message.textContent = ''")
    await page.run("document.getElementById('by-passkey').click()")

    assert "From now on you sign in with it" in await eventually(page, "message.textContent")
    assert service.log_in("noether@example.com").json()["code"] == "mfa_required"
    assert service.log_in("emmy@example.com").json()["code"] == "invalid_credentials"
    sessions = service.call("GET", "/me/sessions", headers=emmy.headers).json()
    assert len(sessions) == 2  # of the sign-up and of the passkey: the page has left none
