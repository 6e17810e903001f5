"""Refusals say where and why, and never repeat the input."""

import json

import pytest
from tests.fixtures.world import SignedIn, World

PLANTED = "hunter2-planted-secret"


@pytest.fixture
async def admin(world: World) -> SignedIn:
    return await world.make_admin()


@pytest.mark.parametrize(
    "body",
    [
        {PLANTED: "x"},
        {PLANTED: {PLANTED: [PLANTED]}},
        {"email": PLANTED, "password": [PLANTED], "name": {PLANTED: 1}},
        {"email": f"{PLANTED}@", "password": {"value": PLANTED}},
        {"token": [PLANTED], "refresh_token": PLANTED},
        {"email": "a@example.com", "password": PLANTED, "role": PLANTED, "status": PLANTED},
        {"name": PLANTED * 20},
        [PLANTED],
        PLANTED,
    ],
    ids=lambda body: json.dumps(body)[:30],
)
async def test_a_body_is_never_repeated(world: World, admin: SignedIn, body: object) -> None:
    calls = [
        ("POST", "/login"),
        ("POST", "/register"),
        ("POST", "/refresh"),
        ("DELETE", "/logout"),
        ("POST", "/admin/users"),
        ("PUT", "/admin/users/01a20320-a200-7eb9-b2c7-7bf922b4dd2d"),
        ("PATCH", "/admin/users/01a20320-a200-7eb9-b2c7-7bf922b4dd2d"),
    ]
    for method, path in calls:
        answer = await world.api.request(method, path, json=body, headers=admin.headers)
        assert answer.status_code == 422, (method, path)
        assert "hunter2" not in answer.text
        assert "hunter2" not in str(answer.headers)


@pytest.mark.parametrize("name", ["limit", "sort", "role", "status", "online", "skip", "cursor"])
async def test_a_query_is_never_repeated(world: World, admin: SignedIn, name: str) -> None:
    answer = await world.api.get("/admin/users", params={name: PLANTED}, headers=admin.headers)

    assert answer.status_code == (400 if name == "cursor" else 422)
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("path", "character"), [("/admin/users/{}", "Z"), ("/admin/users/{}/logins", "Ω")]
)
async def test_not_even_one_character_of_an_id_is_repeated(
    world: World, admin: SignedIn, path: str, character: str
) -> None:
    answer = await world.api.get(path.format(character * 36), headers=admin.headers)

    assert answer.json()["errors"] == [
        {"pointer": "/path/id", "detail": "Input should be a valid UUID"}
    ]


async def test_an_unknown_path_is_not_repeated(world: World) -> None:
    assert "hunter2" not in (await world.api.get(f"/{PLANTED}")).text


async def test_pointers_lead_to_the_fields_of_ours(world: World) -> None:
    answer = await world.api.post("/register", json={"email": "x", "password": 1, "role": "admin"})

    assert answer.json()["errors"] == [
        {"pointer": "/body/email", "detail": "should be an e-mail address"},
        {"pointer": "/body/password", "detail": "Input should be a valid string"},
        {"pointer": "/body", "detail": "There is a field that does not belong here: role"},
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (["full_name"], ": full_name"),
        (["fullName", "phone"], ": fullName, phone"),
        (["a", "b", "c", "d"], ": a, b, c, ..."),
        (["correct horse battery", "Tr0ub4dor"], ""),
        (["kfr_" + "a" * 40, "x" * 16, "a1b2c3", "<script>", "п"], ""),
        (["hunter2", "nick"], ": nick, ..."),
    ],
)
async def test_an_unknown_field_is_named_where_its_name_is_no_secret(
    world: World, fields: list[str], told: str
) -> None:
    login = {"email": "a@example.com", "password": "correct horse bat"}

    answer = await world.api.post("/login", json=login | dict.fromkeys(fields, 1))

    assert answer.json()["errors"] == [
        {"pointer": "/body", "detail": "There is a field that does not belong here" + told}
    ]


@pytest.mark.parametrize("path", ["/login", "/refresh"])
async def test_many_unknown_fields_are_told_once(world: World, path: str) -> None:
    answer = await world.api.post(path, json={f"field{number}": 1 for number in range(190)})

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) <= 3
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    "name",
    ["Ядвига", "नि\u200dशा", "山田\u3000太郎", "O'Neill <b>", "\U0001f469\u200d\U0001f680"],
)
async def test_a_name_in_any_script_is_kept_as_it_was(
    world: World, admin: SignedIn, name: str
) -> None:
    answer = await world.api.post(
        "/admin/users",
        json={"email": "n@example.com", "password": "correct horse bat", "name": name},
        headers=admin.headers,
    )

    assert answer.json()["name"] == name


@pytest.mark.parametrize("blank", ["", " ", "\u3000 "])
async def test_a_name_of_nothing_but_spaces_is_refused(world: World, blank: str) -> None:
    answer = await world.api.post(
        "/register",
        json={"email": "a@example.com", "password": "correct horse bat", "name": blank},
    )

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/body/name"]
