"""Line 34 of the abuse list: what is secret is in no log, dump, error or metric."""

from collections.abc import Iterator
from typing import Any

import prometheus_client
import pytest
from tests.fixtures.fuzzing import ENDLESS
from tests.fixtures.logs import Log, captured_log
from tests.fixtures.world import World

from keyfob.accounts.profiles import Profiles
from keyfob.settings import Settings

SOMEBODY = "01a20320-a200-7eb9-b2c7-7bf922b4dd2d"
# 34

SECRET = "Tr0ub4dor-planted-password"
COOKIE = "planted-cookie-value-1234567890"
EMAIL = "planted.person@planted.example"


async def dumped(world: World) -> dict[str, str]:
    """Return every table as text, as a leaked dump would hold it."""
    tables = await world.db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = {}
    for row in tables:
        table = row["tablename"]
        rows = await world.db.fetch(f'SELECT t::text AS text FROM "{table}" AS t')
        found[table] = "\n".join(one["text"] for one in rows)
    return found


def planted_bodies(tokens: list[str]) -> Iterator[Any]:
    """Yield bodies with secrets in right places, in wrong ones and of wrong types."""
    yield {"email": EMAIL, "password": SECRET}
    yield {"email": EMAIL, "password": [SECRET]}
    yield {"email": SECRET, "password": EMAIL}
    yield {"email": [EMAIL], "password": {"value": SECRET}, "name": SECRET}
    yield {"email": EMAIL, "password": SECRET, "name": EMAIL, "role": SECRET}
    yield {SECRET: SECRET, "password": SECRET, EMAIL: 1}
    yield {"role": SECRET, "status": SECRET, "name": [SECRET], "email": SECRET}
    yield [SECRET]
    yield SECRET
    for token in tokens:
        yield {"token": token + "x"}
        yield {"token": [token]}
        yield {"token": SECRET, "refresh_token": token}
        yield {"email": token, "password": token}
        yield {token: token}


async def plant_everywhere(world: World, callers: list[dict[str, str]], tokens: list[str]) -> Any:
    """Send secrets in every place of every kind of request; yield the answers."""
    leaky = {
        "Cookie": f"session={COOKIE}",
        "User-Agent": f"Mozilla/5.0 {SECRET} {EMAIL} {tokens[0]}",
        "Referer": f"https://planted.example/?password={SECRET}&token={tokens[0]}",
        "X-Api-Key": SECRET,
        "X-Request-ID": SECRET,
        "X-Forwarded-For": SECRET,
    }
    calls = [
        (method, path)
        for path, operations in world.app.openapi()["paths"].items()
        for method in operations
        if (method, path) not in {("delete", "/logout-all"), ("delete", "/logout")}
    ]
    for method, path in calls:
        # Whoever may read the stream would read without end.
        for caller in callers if path not in ENDLESS else callers[:2]:
            headers = {**leaky, **caller}
            url = path.format(id=SOMEBODY, secret=SOMEBODY, client_id=SOMEBODY, name="support")
            if method in {"post", "put", "patch"}:
                for body in planted_bodies(tokens):
                    yield await world.api.request(method, url, json=body, headers=headers)
                yield await world.api.request(method, url, content=SECRET, headers=headers)
            for query in (
                f"password={SECRET}&email={EMAIL}",
                f"token={tokens[0]}",
                f"x={tokens[1]}",
                f"search={SECRET}&limit={SECRET}&cursor={SECRET}&since={SECRET}&action={SECRET}",
            ):
                yield await world.api.request(method, f"{url}?{query}", headers=headers)
    for token in tokens:
        for path in (f"/{token}", f"/me/sessions/{token}", f"/{EMAIL}"):
            yield await world.api.get(path, headers=leaky)


async def test_34_planted_secrets_are_in_no_log_dump_error_or_metric(
    log: Log, world: World, settings: Settings
) -> None:
    await world.make_user()
    user, admin = await world.log_in(), await world.make_admin()
    tokens = [user.access, user.refresh]
    callers = [
        {},
        user.headers,
        admin.headers,
        {"Authorization": f"Basic {SECRET}"},
        {"Authorization": f"Bearer {SECRET}"},
        {"Authorization": f"Bearer {user.access}tampered"},
    ]
    secrets = [SECRET, COOKIE, *tokens, tokens[0].split(".")[2], tokens[1][-40:]]
    assert settings.secret_key
    secrets.append(settings.secret_key.get_secret_value())

    statuses = set()
    async for answer in plant_everywhere(world, callers, tokens):
        statuses.add(answer.status_code)
        if answer.status_code >= 400:
            told = f"{answer.text} {answer.headers}"
            assert not [secret for secret in [*secrets, EMAIL] if secret in told]
    await world.refresh(user.refresh)
    await world.attempt_login(f"nobody.{EMAIL}", SECRET)
    assert {200, 201, 400, 401, 403, 404, 409, 415, 422} <= statuses

    assert len(log.events) > 500
    assert not [secret for secret in [*secrets, EMAIL] if secret in log.getvalue()]

    metrics = prometheus_client.generate_latest().decode()
    assert "keyfob_request_seconds" in metrics
    assert not [secret for secret in [*secrets, EMAIL, SOMEBODY] if secret in metrics]

    dump = await dumped(world)
    assert "n***@planted.example" in dump["login_events"]
    for table, text in dump.items():
        assert not [secret for secret in secrets if secret in text], table
        # Whose account it is, is told by the account alone.
        assert table == "users" or EMAIL not in text, table
    assert EMAIL in dump["users"]


@pytest.mark.parametrize("style", ["json", "console"])
async def test_34_an_unexpected_fault_logs_no_secret(
    world: World, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    await world.make_user()
    user = await world.log_in()

    async def fail(*_: object, **__: object) -> None:
        held = {"password": SECRET, "cookie": COOKIE}  # what a traceback with locals would show
        raise RuntimeError(f"{EMAIL} {user.access} {len(held)}")

    monkeypatch.setattr(Profiles, "body_of", fail)
    monkeypatch.setattr("keyfob.accounts.credential_queries.find_for_sign_in", fail)
    with captured_log(style=style) as log:
        answers = [
            await world.me(user),
            await world.attempt_login(EMAIL, SECRET),
        ]

    assert [answer.status_code for answer in answers] == [500, 500]
    said = log.getvalue()
    assert said.count("RuntimeError: ") == 2
    for secret in (SECRET, COOKIE, EMAIL, user.access, user.access.split(".")[2]):
        assert secret not in said
        assert all(secret not in answer.text for answer in answers)
