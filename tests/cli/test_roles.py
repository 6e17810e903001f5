"""`keyfob roles`: further roles without the admin API."""

from collections.abc import Callable
from typing import Any

from tests.cli.conftest import Run
from tests.fixtures.world import World

Sql = Callable[..., list[Any]]
InWorld = Callable[..., Any]


def test_a_role_is_defined_given_explained_and_taken(keyfob: Run, in_world: InWorld) -> None:
    async def sign_up(world: World) -> None:
        await world.make_user()

    in_world(sign_up)
    created = keyfob("roles", "create", "support", "--permission", "users:read")
    assert created.out == "Defined support: users:read.\n"
    given = keyfob("roles", "give", "ada@example.com", "support", "--days", "30")
    assert given.out == "ada@example.com has support for 30 days.\n"
    sooner = keyfob("roles", "give", "ada@example.com", "support", "--days", "1", "--hours", "8")
    assert sooner.out == "ada@example.com has support for 1 day and 8 hours.\n"

    [of] = keyfob("roles", "of", "ada@example.com", "--json").json
    [why] = keyfob("roles", "why", "ada@example.com", "users:read", "--json").json
    listed = keyfob("roles", "list", "--json").json

    assert (of["role"], of["given_by"]) == ("support", None)
    assert of["expires_at"]
    assert (why["role"], why["held"]) == ("support", True)
    assert [role["name"] for role in listed] == ["user", "moderator", "admin", "support"]
    assert keyfob("roles", "delete", "support").refusal.startswith("Users have this role")
    assert keyfob("roles", "change", "support").out == "Changed support: no permissions.\n"
    taken = keyfob("roles", "take", "ada@example.com", "support")
    assert taken.out == "ada@example.com no longer has support.\n"
    assert keyfob("roles", "delete", "support").out == "Removed support.\n"


def test_a_role_is_given_before_a_proof_only_if_an_administrator_knows_the_owner(
    keyfob: Run, in_world: InWorld, sql: Sql
) -> None:
    async def sign_up(world: World) -> None:
        for email in ("known@example.com", "stranger@example.com"):
            await world.make_user(email)

    in_world(sign_up)
    sql("UPDATE users SET email_verified_at = NULL, first_proven_at = NULL")
    sql("UPDATE users SET registered_itself = (email = 'stranger@example.com')")
    keyfob("roles", "create", "support")

    known = keyfob("roles", "give", "known@example.com", "support", "--json").json
    refusals = [
        keyfob("roles", "give", "stranger@example.com", "support").refusal,
        keyfob("users", "set-role", "stranger@example.com", "moderator").refusal,
    ]
    keyfob("users", "mark-verified", "stranger@example.com")

    assert known == {"email": "known@example.com", "role": "support", "given": True}
    assert set(refusals) == {
        "stranger@example.com: the address is not verified; vouch for it with "
        "`keyfob users mark-verified stranger@example.com`, or wait until it is"
    }
    assert keyfob("roles", "give", "stranger@example.com", "support").code == 0


def test_what_does_not_fit_is_refused_in_one_line(keyfob: Run) -> None:
    assert keyfob("roles", "create", "Support").refusal.startswith("Support: ")
    wrong = keyfob("roles", "create", "support", "--permission", "Users Read")
    assert wrong.refusal.startswith("Users Read: ")
    assert keyfob("roles", "create", "admin").refusal == "A role with this name already exists"
    assert keyfob("roles", "delete", "none").refusal == (
        "Role not found; `keyfob roles list` shows what there is"
    )


def test_a_misspelt_permission_is_refused(keyfob: Run, in_world: InWorld) -> None:
    async def sign_up(world: World) -> None:
        await world.make_user()

    in_world(sign_up)
    begin = "neither Keyfob nor a resource has this permission"
    misspelt = {"users:reed": "; users:read?", "logins:reed": "; logins:read?", "users:fly": ""}
    for name, meant in misspelt.items():
        refused = keyfob("roles", "create", "support", "--permission", name)
        assert refused.refusal == f"{name}: {begin}{meant}"
    assert keyfob("roles", "create", "clerk", "--permission", "orders:read").code == 0
    changed = keyfob("roles", "change", "clerk", "--permission", "user:read")
    why = keyfob("roles", "why", "ada@example.com", "user:read")
    assert changed.refusal == why.refusal == f"user:read: {begin}; users:read?"
    nobody = keyfob("roles", "why", "ada@example.com", "users:read")
    assert nobody.out == "No role gives ada@example.com users:read.\n"
    keyfob("resources", "create", "https://u.example", "--name", "U", "--scope", "user:read")
    assert keyfob("roles", "change", "clerk", "--permission", "user:read").code == 0
