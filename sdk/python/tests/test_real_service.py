"""The package and Keyfob itself: what ends there is refused here."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.real import EXCHANGE, ORDERS, PYTHON, Keyfob
from tests.waiting import wait_until

from keyfob_client import ClientSecret, FeedState, InvalidToken, Unavailable, Verifier

pytestmark = [
    pytest.mark.skipif(not PYTHON.exists(), reason="needs Keyfob: make run"),
    pytest.mark.timeout(300),  # a database and a service start
]


@pytest.fixture(scope="module")
def keyfob(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyfob]:
    keyfob = Keyfob(tmp_path_factory.mktemp("keyfob"))
    yield keyfob
    keyfob.http.close()
    keyfob.stop()


@pytest.fixture(scope="module")
def service(keyfob: Keyfob) -> ClientSecret:
    """The service behind the resource, as a client of Keyfob."""
    made = keyfob.keyfob(
        *("clients", "create", "Orders", "--resource", ORDERS, "--resource", keyfob.url),
        *("--scope", "orders:read", "--scope", "revocations:read"),
        *("--grant", "client_credentials", "--grant", EXCHANGE),
    )
    return ClientSecret(made["id"], made["client_secret"])


@pytest.fixture(scope="module")
def verifier(keyfob: Keyfob, service: ClientSecret) -> Iterator[Verifier]:
    with Verifier(
        keyfob.url, audience=["keyfob", ORDERS], client=service, refresh_interval=0.1
    ) as verifier:
        verifier.verify(keyfob.admin)
        wait_until(lambda: verifier.metrics.feed is FeedState.STREAMING)
        yield verifier


def is_refused(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except InvalidToken:
        return True
    return False


def is_heard(verifier: Verifier, token: str, end: Callable[[], object]) -> bool:
    """Tell whether what ends a token is heard of; `make bench` says how soon."""
    verifier.verify(token)
    end()
    return bool(wait_until(lambda: is_refused(verifier, token)))


def test_a_user_of_keyfob_is_believed(keyfob: Keyfob, verifier: Verifier) -> None:
    ada = keyfob.register()

    token = verifier.verify(ada["access_token"])

    assert (token.is_user, token.session_id) == (True, ada["session_id"])
    assert (token.acr, token.amr, token.roles) == ("aal1", ("pwd",), {"user"})


def test_a_sign_out_is_heard_by_the_stream(keyfob: Keyfob, verifier: Verifier) -> None:
    token = keyfob.register()["access_token"]
    polls = verifier.metrics.events["feed_polling"]

    assert is_heard(verifier, token, lambda: keyfob.call("DELETE", "/logout", token))
    assert (verifier.metrics.events["feed_polling"], verifier.metrics.feed) == (
        polls,
        FeedState.STREAMING,
    )


def user_id(keyfob: Keyfob, person: dict[str, Any]) -> str:
    return str(keyfob.call("GET", "/me", person["access_token"]).json()["id"])


@pytest.mark.parametrize("how", ["logout-all", "block", "role", "remove", "password", "revoke"])
def test_whatever_ends_a_sign_in_is_heard(
    keyfob: Keyfob, verifier: Verifier, service: ClientSecret, how: str
) -> None:
    ada = keyfob.register()
    token, of = ada["access_token"], user_id(keyfob, ada)
    person, admin = f"/admin/users/{of}", keyfob.admin

    def end() -> None:
        if how == "logout-all":
            keyfob.call("DELETE", "/logout-all", token)
        elif how == "block":
            keyfob.call("PATCH", person, admin, {"status": "blocked"})
        elif how == "role":
            keyfob.keyfob("users", "mark-verified", ada["email"])
            keyfob.keyfob("roles", "create", "clerk", "--permission", "users:read")
            keyfob.keyfob("roles", "give", ada["email"], "clerk")
        elif how == "remove":
            keyfob.call("DELETE", person, admin)
        elif how == "password":
            body = {"current_password": "the analyst of engines", "password": "another of engines"}
            keyfob.call("POST", "/me/password", token, body)
        else:
            form = {"token": token, "client_id": service.client_id}
            answer = keyfob.http.post(
                "/oauth2/revoke", data=form, auth=(service.client_id, service.secret)
            )
            assert answer.status_code == 200

    assert is_heard(verifier, token, end)


def test_a_reused_refresh_token_ends_its_session(keyfob: Keyfob, verifier: Verifier) -> None:
    ada = keyfob.register()
    reused = {"token": ada["refresh_token"]}
    newer = keyfob.http.post("/refresh", json=reused).json()
    verifier.verify(newer["access_token"])

    assert keyfob.http.post("/refresh", json=reused).status_code == 401

    wait_until(lambda: is_refused(verifier, newer["access_token"]))


@pytest.mark.parametrize("how", ["disable", "remove a secret", "revoke", "delete"])
def test_a_program_ends_with_its_client(keyfob: Keyfob, verifier: Verifier, how: str) -> None:
    asked = {"name": "Reports", "scope": ["orders:read"], "resources": [ORDERS]}
    program = keyfob.call("POST", "/admin/clients", keyfob.admin, asked).json()["id"]
    path = f"/admin/clients/{program}"
    made = keyfob.call("POST", f"{path}/secrets", keyfob.admin, {}).json()
    token = keyfob.token_of({**made, "id": program})
    verified = verifier.verify(token)
    assert (verified.is_user, verified.scope) == (False, {"orders:read"})

    if how == "disable":
        keyfob.call("PATCH", path, keyfob.admin, {"disabled": True})
    elif how == "remove a secret":
        keyfob.call("DELETE", f"{path}/secrets/{made['id']}", keyfob.admin)
    elif how == "delete":
        keyfob.call("DELETE", path, keyfob.admin)
    else:
        own = (program, made["client_secret"])
        keyfob.http.post("/oauth2/revoke", data={"token": token}, auth=own).raise_for_status()

    wait_until(lambda: is_refused(verifier, token))


def test_an_api_key_is_exchanged_until_it_is_deleted(keyfob: Keyfob, verifier: Verifier) -> None:
    # An administrator: others make keys for a resource only if one of their roles has its scope.
    ada = keyfob.sign_in("admin@example.com")
    key = {"name": "Backup", "scope": ["orders:read"]}
    made = keyfob.call("POST", "/me/api-keys", ada, key).json()

    token = verifier.verify(made["api_key"])
    assert (token.is_user, token.scope, token.auth_time) == (True, {"orders:read"}, None)
    keyfob.call("DELETE", f"/me/api-keys/{made['id']}", ada)

    wait_until(lambda: is_refused(verifier, made["api_key"]))


def test_keys_are_rotated_under_a_running_service(keyfob: Keyfob, verifier: Verifier) -> None:
    old = keyfob.register()["access_token"]
    verifier.verify(old)

    keyfob.keyfob("keys", "rotate", "--compromised")

    wait_until(lambda: is_refused(verifier, old))
    assert verifier.verify(keyfob.register()["access_token"])


def test_keyfob_may_be_restarted(keyfob: Keyfob, verifier: Verifier) -> None:
    token, other = (keyfob.register()["access_token"] for _ in range(2))
    verifier.verify(token)

    keyfob.stop()
    assert verifier.verify(token)  # it is away for seconds: what is known counts
    keyfob.start()
    keyfob.call("DELETE", "/logout", token)

    wait_until(lambda: is_refused(verifier, token))
    assert verifier.verify(other)
    wait_until(lambda: verifier.metrics.feed is FeedState.STREAMING)


def test_a_client_that_may_not_read_the_feed_is_not_served(keyfob: Keyfob) -> None:
    made = keyfob.keyfob("clients", "create", "Curious", "--resource", ORDERS)
    curious = ClientSecret(made["id"], made["client_secret"])

    with (
        Verifier(keyfob.url, audience="keyfob", client=curious) as verifier,
        pytest.raises(Unavailable, match="feed_lost"),
    ):
        verifier.verify(keyfob.register()["access_token"])
