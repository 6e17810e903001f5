"""The client of the API and Keyfob itself."""

import hmac
import struct
import time
from base64 import b32decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.passkey import Passkey
from tests.real import PASSWORD, PYTHON, Keyfob

from keyfob_client import api

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


@pytest.fixture
def admin(keyfob: Keyfob) -> Iterator[api.Keyfob]:
    with api.Keyfob(keyfob.url) as client:
        client.sign_in("admin@example.com", PASSWORD)
        yield client


def time_based_code(secret: str, now: float) -> str:
    """Return the code of RFC 6238 for a time."""
    counter = struct.pack(">Q", int(now) // 30)
    digest = hmac.digest(b32decode(secret + "=" * (-len(secret) % 8)), counter, "sha1")
    place = digest[-1] & 15
    number = struct.unpack(">I", digest[place : place + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def test_a_user_signs_in_by_two_factors(keyfob: Keyfob) -> None:
    ada = keyfob.register()
    keyfob.keyfob("users", "mark-verified", ada["email"])
    with api.Keyfob(keyfob.url) as client:
        client.sign_in(ada["email"], PASSWORD)
        assert client.me()["email"] == ada["email"]
        factor = client.begin_totp("Telephone")
        code = time_based_code(factor["secret"], time.time())
        codes = client.confirm_totp(factor["id"], code)["recovery_codes"]
        client.sign_out()

        with pytest.raises(api.MfaRequired) as needed:
            client.sign_in(ada["email"], PASSWORD)
        client.present_factor(needed.value.mfa_token, recovery_code=codes[0])
        assert client.factors()["recovery_codes_left"] == 9
        code = time_based_code(factor["secret"], time.time() + 30)  # that of above was used
        client.reauthenticate(code=code)
        key = client.create_api_key("Backup", scope=["account:read"])
        assert [one["name"] for one in client.api_keys()] == ["Backup"]
        assert client.rename_api_key(key["id"], "Copies")["name"] == "Copies"
        client.revoke_api_key(key["id"])
        client.remove_factor(factor["id"])
        assert len(client.sessions()) == 2
        with pytest.raises(api.Forbidden):
            next(client.users())


def test_a_passkey_is_added_and_signs_in(keyfob: Keyfob) -> None:
    ada, passkey = keyfob.register(), Passkey(keyfob.url.removesuffix("/auth"))
    keyfob.keyfob("users", "mark-verified", ada["email"])
    with api.Keyfob(keyfob.url) as client:
        client.sign_in(ada["email"], PASSWORD)
        making = client.new_passkey_options()
        made = client.add_passkey(
            making["challenge_id"], "This machine", passkey.make(making["options"])
        )
        assert (made["type"], len(made["recovery_codes"])) == ("passkey", 10)
        client.sign_out()

        asked = client.passkey_options()
        client.sign_in_by_passkey(asked["challenge_id"], passkey.show(asked["options"]))
        asked = client.passkey_options()
        shown = passkey.show(asked["options"])
        client.reauthenticate(challenge_id=asked["challenge_id"], credential=shown)
        assert client.rename_factor(made["id"], "That machine")["name"] == "That machine"
        client.sign_out()

        with pytest.raises(api.MfaRequired) as needed:
            client.sign_in(ada["email"], PASSWORD)
        options = client.factor_options(needed.value.mfa_token)
        client.present_factor(needed.value.mfa_token, credential=passkey.show(options))
        assert client.me()["email"] == ada["email"]


def test_users_care_for_their_account(keyfob: Keyfob) -> None:
    email = f"own{time.monotonic_ns()}@example.com"
    with api.Keyfob(keyfob.url) as client, api.Keyfob(keyfob.url) as elsewhere:
        client.register(email, PASSWORD, name="Ada")
        elsewhere.sign_in(email, PASSWORD)
        assert client.change_profile(locale="ru")["locale"] == "ru"

        client.change_password(PASSWORD, "another of engines")

        with pytest.raises(api.SignedOut):
            elsewhere.me()
        assert client.me()["name"] == "Ada"
        assert client.export()["account"]["email"] == email
        erase_at = client.leave()["erase_at"]
        assert client.me()["erase_at"] == erase_at
        client.keep()
        assert client.me()["erase_at"] is None


def test_users_are_administered_page_by_page(admin: api.Keyfob) -> None:
    made = [admin.create_user(f"page{one}@example.com", PASSWORD) for one in range(3)]

    found = admin.users(search="page", sort="email", limit=1)
    assert [user["id"] for user in found] == [user["id"] for user in made]
    assert admin.count_users(search="page") == 3
    figures = admin.statistics(by="hour", zone="Europe/Berlin")
    assert (figures["zone"], figures["by"]) == ("Europe/Berlin", "hour")
    assert figures["periods"][-1]["registrations"] >= 0
    assert admin.change_user(made[0]["id"], name="Ada")["name"] == "Ada"
    admin.delete_user(made[0]["id"])
    with pytest.raises(api.NotFound):
        admin.user(made[0]["id"])
    assert next(admin.audit())["target_id"] == made[0]["id"]
    with pytest.raises(api.Conflict) as taken:
        admin.create_user(made[1]["email"], PASSWORD)
    assert taken.value.code == "email_taken"


def test_many_users_are_changed_at_once_and_changed_back(admin: api.Keyfob) -> None:
    made = [admin.create_user(f"many{one}@example.com", PASSWORD)["id"] for one in range(2)]

    report = admin.change_users("block", filters={"search": "many"}, count=2)
    assert [line["id"] for line in report["lines"]] == made
    assert (report["done"], report["refused"], report["left"]) == (2, 0, 0)
    with pytest.raises(api.ApiError) as differs:
        admin.change_users("block", filters={"search": "many"}, count=3)
    assert differs.value.code == "count_differs"

    events = [line["event_id"] for line in report["lines"]]
    assert admin.undo_changes(events)["done"] == 2
    again = admin.undo_changes(events)["lines"]
    assert [line["code"] for line in again] == ["not_as_left"] * 2
    assert {user["status"] for user in admin.users(search="many")} == {"active"}


def test_roles_are_defined_and_given(keyfob: Keyfob, admin: api.Keyfob) -> None:
    ada = keyfob.register()
    keyfob.keyfob("users", "mark-verified", ada["email"])
    user = next(admin.users(search=ada["email"]))["id"]
    ends = datetime.now(UTC) + timedelta(hours=1)

    admin.create_role("support", ["users:read"])
    assert admin.change_role("support", ["users:read", "logins:read"])["built_in"] is False
    assert admin.give_role(user, "support", expires_at=ends)["expires_at"] is not None
    assert admin.end_role(user, "support", None)["expires_at"] is None
    why = admin.why(user, "logins:read")
    assert (why["held"], why["roles"]) == (True, [{"role": "support", "expires_at": None}])
    assert [given["role"] for given in admin.roles_of(user)] == ["support"]
    admin.take_role(user, "support")
    admin.delete_role("support")

    assert [role["name"] for role in admin.roles()] == ["user", "moderator", "admin"]


def test_programs_and_apis_are_registered(keyfob: Keyfob, admin: api.Keyfob) -> None:
    stock = "https://stock.example.com"
    words = {"stock:read": {"en": "Read the stock"}}
    made = admin.create_resource(stock, "Stock", scopes=words)
    assert admin.change_resource(made["id"], access_token_ttl=60)["scopes"] == words
    program = admin.create_client("Reports", scope=["stock:read"], resources=[stock])
    of = program["id"]
    ends = datetime.now(UTC) + timedelta(days=1)
    secret = admin.add_secret(of, expires_at=ends)
    client = {"id": of, "client_secret": secret["client_secret"]}
    assert keyfob.token_of(client)

    assert admin.change_client(of, name="Figures")["name"] == "Figures"
    assert admin.client(of)["resources"] == [stock]
    assert "Figures" in [one["name"] for one in admin.clients(limit=1)]
    assert [one["id"] for one in admin.secrets_of(of)] == [secret["id"]]
    admin.remove_secret(of, secret["id"])
    with pytest.raises(api.Conflict) as in_use:
        admin.delete_resource(made["id"])
    assert in_use.value.code == "resource_in_use"
    admin.delete_client(of)
    admin.delete_resource(made["id"])

    assert stock not in [one["identifier"] for one in admin.resources()]
