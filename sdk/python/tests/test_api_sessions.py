"""What was begun in one session is never done in another that the store holds meanwhile."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from tests.issuer import Answer, Issuer, as_json
from tests.test_api import QUICK, problem

from keyfob_client.api import Keyfob, MemoryStore, SignedOut, Tokens

ADA = Tokens("of-ada", "refresh-ada", 2.0**40, "session-ada")
BOB = Tokens("of-bob", "refresh-bob", 2.0**40, "session-bob")

Change = Callable[[Keyfob], object]
CHANGES: dict[str, Change] = {
    "call": lambda client: client.change_profile(name="meant for Ada"),
    "exchange": lambda client: client.change_password("old password", "new password"),
}


class Taken(MemoryStore):
    """Has Bob's tokens in the place of Ada's once somebody takes the lock, if `at_lock` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.at_lock = False

    def try_lock(self) -> Any:
        if self.at_lock:
            self.save(BOB)
        return super().try_lock()


@pytest.fixture
def store() -> Taken:
    return Taken()


@pytest.fixture
def bearers(issuer: Issuer, store: Taken) -> list[str | None]:
    """Return who has sent something, as it grows; Ada is refused, since Bob is there instead."""
    seen: list[str | None] = []

    def answer(request: BaseHTTPRequestHandler) -> Answer:
        request.rfile.read(int(request.headers.get("Content-Length", 0)))
        seen.append(request.headers["Authorization"])
        if seen[-1] == "Bearer of-bob":
            return as_json({**ADA._asdict(), "expires_in": 300})
        store.save(BOB)
        return problem(401, "invalid_token")

    issuer.routes |= dict.fromkeys(
        ("/auth/me", "/auth/me/password", "/auth/logout", "/auth/logout-all"), answer
    )
    return seen


@pytest.fixture
def ada(issuer: Issuer, store: Taken) -> Iterator[Keyfob]:
    store.save(ADA)
    with Keyfob(issuer.url, store=store, manners=QUICK) as client:
        yield client


def test_a_call_is_not_sent_again_in_another_session(
    ada: Keyfob, bearers: list[str | None]
) -> None:
    with pytest.raises(SignedOut, match="signed_out"):
        ada.change_profile(name="meant for Ada")

    assert bearers == ["Bearer of-ada"]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_is_sent_in_another_session_that_came_while_it_waited(
    ada: Keyfob, store: Taken, bearers: list[str | None], change: Change
) -> None:
    store.save(ADA._replace(renew_at=0.0))
    store.at_lock = True

    with pytest.raises(SignedOut, match="signed_out"):
        change(ada)

    assert bearers == []


@pytest.mark.parametrize(
    "end",
    [lambda client: client.sign_out(), lambda client: client.sign_out_everywhere()],
    ids=["one", "all"],
)
def test_to_sign_out_ends_and_forgets_no_other_session(
    ada: Keyfob, store: Taken, bearers: list[str | None], end: Change
) -> None:
    end(ada)

    assert bearers == ["Bearer of-ada"]
    assert store.load() == BOB
