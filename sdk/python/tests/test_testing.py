"""The plugin for pytest: a service is tested with it as a user of the package would."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import flask
import pytest
from fastapi import FastAPI
from tests.issuer import AUDIENCE, Key
from tests.test_frameworks import call_asgi

from keyfob_client import (
    AsyncVerifier,
    ClientSecret,
    InvalidToken,
    Unavailable,
    Verifier,
)
from keyfob_client.api_keys import with_checksum
from keyfob_client.fastapi import CurrentUser, protect, require_recent_sign_in, require_role
from keyfob_client.flask import Keyfob
from keyfob_client.testing import FakeKeyfob

ISSUER = "https://auth.example.com/auth"
US = ClientSecret("orders", "its secret")
PACKAGE = Path(__file__).parents[1]


@pytest.fixture
def verifier(keyfob: FakeKeyfob) -> Verifier:
    verifier = Verifier(ISSUER, audience=AUDIENCE, client=US)
    keyfob.trusted_by(verifier)
    return verifier


def reason(verifier: Verifier, token: str) -> str:
    with pytest.raises(InvalidToken) as refused:
        verifier.verify(token)
    return refused.value.reason


def test_an_app_of_fastapi(keyfob: FakeKeyfob) -> None:
    app, verifier = FastAPI(), AsyncVerifier(ISSUER, audience=AUDIENCE, client=US)
    protect(app, verifier)

    @app.get("/orders", dependencies=[require_role("clerk")])
    async def orders(user: CurrentUser) -> str:
        return user.subject

    @app.post("/payments", dependencies=[require_recent_sign_in(60)])
    async def pay() -> None:
        """Pay."""

    keyfob.trusted_by(verifier)
    clerk, other = keyfob.user(roles=["user", "clerk"]), keyfob.user()
    call = call_asgi(app)
    assert call("GET", "/orders", clerk.headers).json() == clerk.subject
    assert call("GET", "/orders", other.headers).status_code == 403
    assert call("GET", "/orders").status_code == 401
    assert call("POST", "/payments", clerk.headers).status_code == 200
    keyfob.clock.move(61)
    assert call("POST", "/payments", clerk.headers).status_code == 401
    assert call("GET", "/orders", clerk.headers).status_code == 200
    clerk.sign_out()
    assert call("GET", "/orders", clerk.headers).status_code == 401
    keyfob.is_away = True
    assert call("GET", "/orders", other.headers).status_code == 503


def test_an_app_of_flask(keyfob: FakeKeyfob, verifier: Verifier) -> None:
    app = flask.Flask("orders")
    protected = Keyfob(app, verifier).protected

    @app.get("/orders")
    @protected(scope="orders:read")
    def orders() -> str:
        return str(flask.g.token.subject)

    program = keyfob.program("reports", scope=["orders:read"])

    assert app.test_client().get("/orders", headers=program.headers).text == "reports"
    assert app.test_client().get("/orders", headers=keyfob.user().headers).status_code == 403


def test_users_and_programs_are_what_they_are_said_to_be(
    keyfob: FakeKeyfob, verifier: Verifier
) -> None:
    user = keyfob.user(roles=["user", "admin"], scope=["a", "b"], subject="ada", acr="aal2")
    token = verifier.verify(user.token)
    program = verifier.verify(keyfob.program().token)

    assert (token.subject, token.acr) == ("ada", "aal2")
    assert (token.roles, token.scope) == ({"user", "admin"}, {"a", "b"})
    assert token.claims["role"] == "admin"
    assert token.is_user
    assert not program.is_user
    assert program.auth_time is None


def test_tokens_expire_by_the_clock_of_the_test(keyfob: FakeKeyfob, verifier: Verifier) -> None:
    user = keyfob.user()
    keyfob.clock.move(309)
    verifier.verify(user.token)
    keyfob.clock.move(1)

    assert reason(verifier, user.token) == "expired"
    assert verifier.verify(user.renew(roles=["clerk"])).roles == {"clerk"}


@pytest.mark.parametrize("act", ["revoke", "sign_out", "sign_out_everywhere"])
@pytest.mark.parametrize("kind", ["user", "program"])
def test_what_is_revoked_is_refused_at_once(
    keyfob: FakeKeyfob, verifier: Verifier, act: str, kind: str
) -> None:
    caller, other = getattr(keyfob, kind)(), keyfob.user()
    verifier.verify(caller.token)
    getattr(caller, act)()

    assert reason(verifier, caller.token) == "revoked"
    verifier.verify(other.token)
    verifier.verify(caller.renew())


def test_api_keys_are_exchanged(keyfob: FakeKeyfob, verifier: Verifier) -> None:
    keys = [keyfob.api_key(scope=["orders:read"], roles=["user", "clerk"]) for _ in range(2)]

    token = verifier.verify(keys[0].token)
    assert (token.subject, token.scope) == (keys[0].subject, {"orders:read"})
    assert (token.is_user, token.roles, token.auth_time) == (True, {"user", "clerk"}, None)
    assert token.audience == (verifier.resource,)
    keyfob.clock.move(100_000)
    verifier.verify(keys[0].token)  # a key outlives its tokens
    keys[0].revoke()
    assert reason(verifier, keys[0].token) == "api_key_refused"
    assert verifier.verify(keys[1].token)
    assert reason(verifier, with_checksum("kfk_" + "a" * 43)) == "api_key_refused"
    keyfob.is_away = True
    with pytest.raises(Unavailable):
        verifier.verify(keys[1].token)


def test_without_a_client_no_api_key_is_taken(keyfob: FakeKeyfob) -> None:
    keyfob.trusted_by(Verifier(ISSUER, audience=AUDIENCE))

    with pytest.raises(RuntimeError, match="API keys"):
        keyfob.api_key(scope=["orders:read"])


def test_tokens_of_nobody_are_refused(keyfob: FakeKeyfob, verifier: Verifier) -> None:
    user = keyfob.user()

    assert reason(verifier, user.renew(aud="another")) == "wrong_audience"
    assert reason(verifier, user.renew(iss="https://another.example", aud=AUDIENCE)) == (
        "wrong_issuer"
    )
    assert reason(verifier, Key("another").sign({"iss": ISSUER})) == "unknown_key"
    assert reason(verifier, "kfk_") == "malformed"


def test_without_a_client_nothing_would_be_revoked(keyfob: FakeKeyfob) -> None:
    keyfob.trusted_by(Verifier(ISSUER, audience=AUDIENCE))

    with pytest.raises(RuntimeError, match="does not follow"):
        keyfob.user().sign_out()


def test_it_has_to_be_trusted_first_and_by_one_issuer(keyfob: FakeKeyfob) -> None:
    with pytest.raises(RuntimeError, match="trusted_by"):
        keyfob.user()
    keyfob.trusted_by(Verifier(ISSUER, audience=AUDIENCE))
    with pytest.raises(ValueError, match="one issuer"):
        keyfob.trusted_by(Verifier("https://another.example", audience=AUDIENCE))


def test_verifiers_are_themselves_again_afterwards() -> None:
    # Nobody listens there.
    with Verifier("http://127.0.0.1:9/auth", audience=AUDIENCE) as verifier:
        with FakeKeyfob().trusted_by(verifier) as keyfob:
            user = keyfob.user()
            verifier.close()  # as an app does at its end
            assert verifier.verify(user.token).subject == user.subject
        with pytest.raises(Unavailable):
            verifier.verify(user.token)


def test_pytest_finds_the_plugin_and_the_readme_works(tmp_path: Path) -> None:
    declared = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    points = declared["entry-points"]["pytest11"]
    for name, text in programs((PACKAGE / "README.md").read_text()).items():
        (tmp_path / name).write_text(text)
    info = tmp_path / "keyfob_client-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: keyfob-client\nVersion: 0\n")
    lines = "".join(f"{name} = {module}\n" for name, module in points.items())
    (info / "entry_points.txt").write_text(f"[pytest11]\n{lines}")
    assert importlib.metadata.Distribution.at(info).entry_points

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{PACKAGE / 'src'}{os.pathsep}{tmp_path}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "2 passed" in done.stdout, done.stdout + done.stderr


def programs(page: str) -> dict[str, Any]:
    return dict(re.findall(r"^```python (\w+\.py)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
