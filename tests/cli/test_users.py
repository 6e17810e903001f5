"""`keyfob users`: administration without the API."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.fixtures.factors import add_totp
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.authority.models import Role
from keyfob.core.clock import Clock

Sql = Callable[..., list[Any]]
InWorld = Callable[..., Any]


def sign_up(in_world: InWorld, email: str = "ada@example.com", **user: Any) -> SignedIn:
    async def story(world: World) -> SignedIn:
        await world.make_user(email, **user)
        return await world.log_in(email)

    signed_in: SignedIn = in_world(story)
    return signed_in


def can_log_in(in_world: InWorld, email: str, password: str) -> bool:
    async def story(world: World) -> bool:
        answer = await world.attempt_login(email, password)
        return answer.status_code == 200

    answer: bool = in_world(story)
    return answer


def can_refresh(in_world: InWorld, session: SignedIn) -> bool:
    async def story(world: World) -> bool:
        return (await world.refresh(session.refresh)).status_code == 200

    answer: bool = in_world(story)
    return answer


def test_create_makes_a_password_and_shows_it_once(keyfob: Run, in_world: InWorld) -> None:
    said = keyfob("users", "create", "ada@example.com", "--name", "Ada")

    start, _, password = said.out.strip().rpartition(" ")
    assert said.code == 0
    assert start == "Created ada@example.com (user). Password, shown this once:"
    assert len(password) == 20
    assert can_log_in(in_world, "ada@example.com", password)


def test_create_for_a_pipe(keyfob: Run, sql: Sql) -> None:
    made = keyfob("users", "create", "Ada@Example.com", "--role", "admin", "--json").json

    assert (made["email"], made["role"]) == ("Ada@Example.com", "admin")
    assert sql("SELECT id::text, role FROM users") == [(made["id"], "admin")]
    assert len(made["password"]) == 20


def test_create_reads_a_password_and_never_repeats_it(keyfob: Run, in_world: InWorld) -> None:
    said = keyfob("users", "create", "ada@example.com", "--password-stdin", stdin=PASSWORD + "\n")

    assert (said.code, said.out) == (0, "Created ada@example.com (user).\n")
    assert PASSWORD not in said.err
    assert can_log_in(in_world, "ada@example.com", PASSWORD)


def test_create_refuses_what_the_api_refuses(keyfob: Run, sql: Sql) -> None:
    weak = keyfob("users", "create", "a@example.com", "--password-stdin", stdin="password")
    assert weak.refusal == (
        "Choose another password (This password is among those that are tried first.)"
    )
    none = keyfob("users", "create", "a@example.com", "--password-stdin")
    assert none.refusal == "Choose another password (Use at least 8 characters.)"

    assert keyfob("users", "create", "nobody").refusal == "nobody: should be an e-mail address"
    local = keyfob("users", "create", "ada@localhost").refusal
    assert local.startswith("The request is not valid (should not be at a domain for tests or")
    assert sql("SELECT count(*) FROM users") == [(0,)]

    assert keyfob("users", "create", "ada@example.com").code == 0
    twice = keyfob("users", "create", "ADA@example.com")
    assert twice.refusal == "An account with this e-mail already exists"


def test_create_can_invite_instead(keyfob: Run, sql: Sql, in_world: InWorld) -> None:
    said = keyfob("users", "create", "ada@example.com", "--invite")

    assert (said.code, said.out) == (
        0,
        "Created ada@example.com (user). An invitation is on its way.\n",
    )
    assert sql("SELECT password_hash, email_verified_at, must_change_password FROM users") == [
        (None, None, True)
    ]
    assert sql("SELECT kind FROM one_time_tokens") == [("invite",)]
    (waiting,) = keyfob("mail", "list", "--json").json
    assert waiting["what"] == "invite"
    assert not can_log_in(in_world, "ada@example.com", "x")


def test_an_address_that_the_operator_gave_a_password_is_vouched_for(keyfob: Run, sql: Sql) -> None:
    """Or an operator could lock everybody out by asking for proof."""
    keyfob("users", "create", "ada@example.com")

    assert sql("SELECT email_verified_at IS NOT NULL FROM users") == [(True,)]


def test_create_cannot_invite_and_read_a_password(keyfob: Run, sql: Sql) -> None:
    said = keyfob("users", "create", "a@example.com", "--invite", "--password-stdin", stdin="x")

    assert said.code == 2
    assert "choose one of --invite and --password-stdin" in said.err
    assert sql("SELECT count(*) FROM users") == [(0,)]


def test_what_the_command_line_did_is_in_the_audit_log(keyfob: Run, sql: Sql) -> None:
    made = keyfob("users", "create", "ada@example.com", "--json").json
    keyfob("users", "set-role", "ada@example.com", "moderator")

    assert sql(
        "SELECT action, actor_id, target_id::text, new_values->>'role' FROM audit_events"
        " ORDER BY position"
    ) == [
        ("user.created", None, made["id"], "user"),
        ("user.changed", None, made["id"], "moderator"),
    ]


def test_list_is_the_newest_first_and_can_be_narrowed(keyfob: Run) -> None:
    assert keyfob("users", "list").out == "None.\n"
    assert keyfob("users", "list", "--json").json == []

    keyfob("users", "create", "ada@example.com", "--role", "admin")
    keyfob("users", "create", "bob@example.org", "--name", "Bob")
    keyfob("users", "block", "bob@example.org")

    def emails(*options: str) -> list[str]:
        return [user["email"] for user in keyfob("users", "list", "--json", *options).json]

    assert emails() == ["bob@example.org", "ada@example.com"]
    assert emails("--role", "admin") == ["ada@example.com"]
    assert emails("--status", "blocked") == ["bob@example.org"]
    assert emails("--search", "BOB") == ["bob@example.org"]
    assert emails("--search", "carol") == []
    refused = keyfob("users", "list", "--search", "a" * 255)
    assert (refused.code, refused.out) == (1, "")
    assert "--search: String should have at most 254 characters" in refused.err


def test_list_tells_whose_address_nobody_has_proven(keyfob: Run) -> None:
    keyfob("users", "create", "ada@example.com")  # given a password by who knows her
    keyfob("users", "create", "bob@example.com", "--invite")

    said = keyfob("users", "list", "--never-proven", "--json")

    assert [user["email"] for user in said.json] == ["bob@example.com"]


def test_list_says_when_there_are_more(keyfob: Run) -> None:
    for name in ("ada", "bob"):
        keyfob("users", "create", f"{name}@example.com")

    said = keyfob("users", "list", "--limit", "1", "--json")

    assert [user["email"] for user in said.json] == ["bob@example.com"]
    assert said.err == "These are 1 of 2: see others by --search, or more by --limit.\n"
    assert keyfob("users", "list", "--limit", "2").err == ""


def test_list_shows_people_a_table_and_pipes_whole_values(keyfob: Run) -> None:
    keyfob("users", "create", "ada@example.com", "--name", "Ada")

    head, row = keyfob("users", "list").out.splitlines()
    (user,) = keyfob("users", "list", "--json").json

    assert head.split() == list(user)
    assert row.split()[:5] == [user["id"], "ada@example.com", "Ada", "user", "active"]
    assert user["created_at"].endswith("Z")
    assert user["last_active_at"] is None


@pytest.mark.parametrize("name", ["[/bold]", "[red]Ada[/red]", ":smile:"])
def test_a_name_is_text_and_not_markup(keyfob: Run, name: str) -> None:
    keyfob("users", "create", "ada@example.com", "--name", name)

    assert name in keyfob("users", "list").out


def test_set_role_acts_at_once_and_signs_nobody_out(keyfob: Run, in_world: InWorld) -> None:
    session = sign_up(in_world)

    said = keyfob("users", "set-role", "ada@example.com", "moderator")

    assert (said.code, said.out) == (0, "ada@example.com is moderator.\n")

    async def story(world: World) -> tuple[int, str]:
        stale = await world.me(session)
        fresh = SignedIn.of(await world.refresh(session.refresh))
        return stale.status_code, (await world.me(fresh)).json()["role"]

    assert in_world(story) == (401, "moderator")


def test_set_role_for_a_pipe(keyfob: Run) -> None:
    keyfob("users", "create", "ada@example.com")

    done = keyfob("users", "set-role", "ada@example.com", "admin", "--json").json

    assert done == {"email": "ada@example.com", "role": "admin"}


def test_block_ends_sessions_and_unblock_lets_in_again(keyfob: Run, in_world: InWorld) -> None:
    session = sign_up(in_world)

    assert keyfob("users", "block", "ada@example.com").out == "ada@example.com is blocked.\n"
    assert not can_refresh(in_world, session)
    assert not can_log_in(in_world, "ada@example.com", PASSWORD)

    done = keyfob("users", "unblock", "ada@example.com", "--json").json
    assert done == {"email": "ada@example.com", "status": "active"}
    assert can_log_in(in_world, "ada@example.com", PASSWORD)
    assert not can_refresh(in_world, session)


def test_logout_ends_every_session(keyfob: Run, in_world: InWorld) -> None:
    session = sign_up(in_world)

    said = keyfob("users", "logout", "ada@example.com")

    assert (said.code, said.out) == (0, "ada@example.com is signed out everywhere.\n")
    assert not can_refresh(in_world, session)
    assert can_log_in(in_world, "ada@example.com", PASSWORD)
    assert keyfob("users", "logout", "ada@example.com", "--json").json == {
        "email": "ada@example.com"
    }


def test_reset_factors_lets_an_admin_in_who_lost_them(keyfob: Run, in_world: InWorld) -> None:
    session = sign_up(in_world, "root@example.com", role=Role.ADMIN)

    async def lose(world: World) -> None:
        await add_totp(world, session, Clock())

    in_world(lose)
    assert not can_log_in(in_world, "root@example.com", PASSWORD)

    said = keyfob("users", "reset-factors", "root@example.com")

    assert (said.code, said.out) == (0, "Removed 1 factors of root@example.com.\n")
    assert can_log_in(in_world, "root@example.com", PASSWORD)
    assert keyfob("users", "reset-factors", "root@example.com", "--json").json == {
        "email": "root@example.com",
        "removed": 0,
    }


@pytest.mark.parametrize("command", ["set-role", "block", "unblock", "logout", "reset-factors"])
def test_an_unknown_user_is_refused(keyfob: Run, command: str) -> None:
    more = ("admin",) if command == "set-role" else ()

    said = keyfob("users", command, "nobody@example.com", *more)

    assert said.refusal == "nobody@example.com: there is no such user"


@pytest.mark.parametrize("change", [("block",), ("set-role", "user")], ids=" ".join)
def test_the_last_admin_stays_one(keyfob: Run, sql: Sql, change: tuple[str, ...]) -> None:
    keyfob("users", "create", "root@example.com", "--role", "admin")

    command, *more = change
    said = keyfob("users", command, "root@example.com", *more)

    assert said.refusal == "The last active administrator cannot be removed"
    assert sql("SELECT role, status FROM users") == [("admin", "active")]


def test_a_role_for_an_unproven_account_is_refused_until_somebody_vouches(
    keyfob: Run, in_world: InWorld, sql: Sql
) -> None:
    """A registered user may be a stranger; the operator vouches that it is not."""

    async def story(world: World) -> SignedIn:
        body = {"email": "ada@example.com", "password": PASSWORD}
        return SignedIn.of(await world.api.post("/register", json=body))

    ada = in_world(story)
    refused = keyfob("users", "set-role", "ada@example.com", "moderator")
    assert refused.code == 1
    assert "keyfob users mark-verified ada@example.com" in refused.err
    assert sql("SELECT role FROM users") == [("user",)]

    said = keyfob("users", "mark-verified", "ada@example.com")
    assert (said.code, said.out) == (0, "ada@example.com is verified.\n")
    assert keyfob("users", "mark-verified", "ada@example.com", "--json").json == {
        "email": "ada@example.com",
        "marked": False,
    }

    assert keyfob("users", "set-role", "ada@example.com", "moderator").code == 0
    assert can_refresh(in_world, ada)
    vouched = sql("SELECT actor_id, new_values FROM audit_events WHERE action = 'user.vouched_for'")
    assert [actor for actor, _ in vouched] == [None]
