"""Two workers, driven at random over HTTP, do at every step what the model says.

`STATE_MACHINE_EXAMPLES` makes it run longer.
"""

import asyncio
import itertools
import os
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.hostile import claims_of
from tests.fixtures.postgres import empty_tables
from tests.fixtures.revoked import is_revoked
from tests.fixtures.world import PASSWORD, SignedIn, World, eventually
from tests.sessions.model import GRACE, IDLE_TTL, MAX_TTL, TOKEN_TTL, Held, Session, User

from keyfob.authority.models import Authenticator, Role
from keyfob.core.problems import Unauthenticated
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "24"))

T = TypeVar("T")

which = st.integers(0, 1)  # a user, or a worker
numbers = st.integers(0, 15)

ENDINGS = ["logout", "logout by token", "logout everywhere", "one of the list"]


class Service:
    """Two workers on one database, and the loop in which they live."""

    def __init__(self, runner: asyncio.Runner, configured: Settings) -> None:
        self._runner = runner
        self._settings = configured
        self.clock = MovableClock()
        self.workers: list[World] = [self.run(self._start()) for _ in range(2)]
        self.run(self.workers[0].make_user("root@example.com", role=Role.ADMIN))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    @property
    def now(self) -> float:
        return (self.clock.now() - START).total_seconds()

    def call(self, worker: int, method: str, path: str, **request: Any) -> httpx.Response:
        return self.run(self.workers[worker].api.request(method, path, **request))

    def administrate(self, worker: int, path: str, change: dict[str, str]) -> None:
        async def act() -> None:
            admin = await self.workers[worker].log_in("root@example.com")
            answer = await self.workers[worker].api.patch(path, json=change, headers=admin.headers)
            answer.raise_for_status()

        self.run(act())

    def restart(self, worker: int) -> None:
        self.run(self.workers[worker].__aexit__())
        self.workers[worker] = self.run(self._start())

    def stop(self) -> None:
        for worker in self.workers:
            self.run(worker.__aexit__())

    def pass_time(self, seconds: float) -> None:
        for worker in self.workers:
            self.run(worker.service(Sessions).activity.flush())
        self.clock.advance(seconds)

    async def _start(self) -> World:
        return await World(self._settings, self.clock).__aenter__()


somebody_lives = precondition(lambda self: any(held.session.lives(self.now) for held in self.held))


class SessionMachine(RuleBasedStateMachine):
    """The actions of clients, thieves and administrators, in any order."""

    service: ClassVar[Service]
    names: ClassVar["itertools.count[int]"] = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.users: list[User] = []
        self.ids: dict[str, UUID] = {}
        self.held: list[Held] = []
        self.seen_dead: set[Held] = set()

    @property
    def now(self) -> float:
        return self.service.now

    def pick(self, number: int) -> Held:
        """Choose tokens: recent ones for small numbers, of a live session for even ones."""
        living = [held for held in self.held if held.session.lives(self.now)]
        choice = self.held if number % 2 else living or self.held
        return choice[-1 - number // 2 % len(choice)]

    # What somebody does

    @initialize()
    def two_users_sign_in(self) -> None:
        for number in range(2):
            user = User(f"user{next(self.names)}@example.com")
            self.ids[user.email] = self.service.run(self.service.workers[0].make_user(user.email))
            self.users.append(user)
            self.log_in(number, number)

    @rule(user=which, worker=which)
    def log_in(self, user: int, worker: int) -> None:
        owner = self.users[user]
        body = {"email": owner.email, "password": PASSWORD}
        answer = self.service.call(worker, "POST", "/login", json=body)
        if owner.blocked:
            assert (answer.status_code, answer.json()["code"]) == (403, "account_blocked")
            return
        session = Session(owner, answer.json()["session_id"], self.now, self.now)
        session.user_generation = owner.generation
        owner.sessions.append(session)
        self.hold(session, answer)

    @somebody_lives
    @rule(number=numbers, worker=which)
    def refresh_with_the_newest(self, number: int, worker: int) -> None:
        self.present(self.newest_of(self.pick(number).session), [worker])

    @somebody_lives
    @rule(number=numbers, worker=which, seconds=st.sampled_from([0, GRACE - 1, GRACE, GRACE + 1]))
    def lose_the_reply_and_ask_again(self, number: int, worker: int, seconds: int) -> None:
        used = self.newest_of(self.pick(number).session)
        self.present(used, [worker])
        self.service.pass_time(seconds)
        self.present(used, [1 - worker])

    @somebody_lives
    @rule(number=numbers, worker=which, uses=st.integers(2, 6), seconds=st.sampled_from([0, 4, 9]))
    def lose_a_reply_while_others_go_on(
        self, number: int, worker: int, uses: int, seconds: int
    ) -> None:
        lost = self.newest_of(self.pick(number).session)
        for _ in range(uses):
            self.present(self.newest_of(lost.session), [worker])
            self.service.pass_time(seconds)
        self.present(lost, [1 - worker])

    @somebody_lives
    @rule(number=numbers, worker=which)
    def present_whatever_was_kept_or_stolen(self, number: int, worker: int) -> None:
        self.present(self.pick(number), [worker])

    @somebody_lives
    @rule(number=numbers)
    def race_with_it_on_both_workers(self, number: int) -> None:
        self.present(self.pick(number), [0, 1, 0, 1])

    @somebody_lives
    @rule(number=numbers, another=numbers, worker=which, way=st.sampled_from(ENDINGS))
    def end_a_session(self, number: int, another: int, worker: int, way: str) -> None:
        held, other = self.pick(number), self.pick(another)
        own = other.session.user is held.session.user
        if way == "logout":
            self.act(held, worker, "DELETE", "/logout", 204, [held.session])
        elif way == "logout by token":
            body = {"token": other.refresh}
            ended, code = ([other.session], 204) if own else ([], 403)
            self.act(held, worker, "DELETE", "/logout", code, ended, json=body)
        elif way == "logout everywhere":
            if self.act(held, worker, "DELETE", "/logout-all", 204, held.session.user.sessions):
                held.session.user.begin_generation()
        else:
            own = own and not other.session.ended
            ended, code = ([other.session], 204) if own else ([], 404)
            self.act(held, worker, "DELETE", f"/me/sessions/{other.session.id}", code, ended)

    @somebody_lives
    @rule(number=numbers, worker=which)
    def look(self, number: int, worker: int) -> None:
        self.act(self.pick(number), worker, "GET", "/me", 200)

    @rule(user=which, worker=which)
    def block_or_unblock(self, user: int, worker: int) -> None:
        owner = self.users[user]
        status = {"status": "active" if owner.blocked else "blocked"}
        self.service.administrate(worker, f"/admin/users/{self.ids[owner.email]}", status)
        owner.blocked = not owner.blocked
        if owner.blocked:
            owner.begin_generation()
            for session in owner.sessions:
                session.ended = True

    @somebody_lives
    @rule(user=which, worker=which, role=st.sampled_from(["user", "moderator", "admin"]))
    def change_role(self, user: int, worker: int, role: str) -> None:
        owner = self.users[user]
        self.service.administrate(worker, f"/admin/users/{self.ids[owner.email]}", {"role": role})
        if role != owner.role:
            owner.role = role
            owner.begin_generation()

    @somebody_lives
    @rule(worker=which, compromised=st.booleans())
    def rotate_the_signing_key(self, worker: int, *, compromised: bool) -> None:
        keyring = self.service.workers[worker].service(Keyring)
        kid = self.service.run(keyring.rotate(compromised=compromised))
        for other in self.service.workers:
            find = other.service(Keyring).find
            self.service.run(eventually(partial(find, kid)))
        for held in self.held if compromised else ():
            held.signed_by_dropped_key = True

    @somebody_lives
    @rule(seconds=st.sampled_from([1, GRACE, TOKEN_TTL - 1, TOKEN_TTL]))
    def a_little_time_passes(self, seconds: int) -> None:
        self.service.pass_time(seconds)

    @somebody_lives
    @rule(
        seconds=st.sampled_from([3600, IDLE_TTL // 2, IDLE_TTL - TOKEN_TTL, IDLE_TTL - 1, IDLE_TTL])
    )
    def much_time_passes(self, seconds: int) -> None:
        self.service.pass_time(seconds)

    @somebody_lives
    @rule(worker=which)
    def restart(self, worker: int) -> None:
        self.service.restart(worker)

    # What must hold after each step

    @invariant()
    def every_worker_believes_just_the_access_tokens_that_it_should(self) -> None:
        self.service.run(self.assert_access_tokens_are_judged())

    async def assert_access_tokens_are_judged(self) -> None:
        for held in self.held:
            expected = held.grants_access(self.now)
            for worker in self.service.workers:
                if held.verifies(self.now) and not expected:
                    await until_it_knows(worker, held)
                assert believes(worker, held) is expected, held
            if expected:
                self.touched(held.session)
                assert claims_of(held.access)["role"] == held.session.user.role

    @invariant()
    def no_dead_refresh_token_comes_back(self) -> None:
        for held in self.held:
            if held not in self.seen_dead and not held.session.lives(self.now):
                self.seen_dead.add(held)
                assert self.present(held, [0]) is None

    @invariant()
    def a_lost_reply_can_be_had_again(self) -> None:
        for held in self.held[-3:]:
            if held.session.would_replay(held.generation, self.now):
                self.present(held, [1])

    def teardown(self) -> None:
        """Check all held tokens, one after the other."""
        for held in self.held[::-1]:
            if held not in self.seen_dead:
                self.present(held, [0])
        self.every_worker_believes_just_the_access_tokens_that_it_should()

    # How it is done

    def newest_of(self, session: Session) -> Held:
        same = (held for held in self.held if held.session is session)
        return max(same, key=lambda held: held.generation)

    def hold(self, session: Session, answer: httpx.Response) -> Held:
        given = SignedIn.of(answer)
        assert given.session_id == session.id
        claims = claims_of(given.access)
        told = (claims["gen"], claims["sub_gen"], claims["role"])
        assert told == (session.generation, session.user_generation, session.user.role)
        held = Held(
            session,
            session.generation,
            session.user_generation,
            given.access,
            given.refresh,
            self.now,
        )
        self.held.append(held)
        return held

    def present(self, held: Held, workers: Sequence[int]) -> Held | None:
        """Send a refresh token to these workers at once; all must answer alike."""
        session = held.session
        honoured = [session.refresh(held.generation, self.now) for _ in workers]

        async def send() -> list[httpx.Response]:
            services = [self.service.workers[worker] for worker in workers]
            return await asyncio.gather(*(one.refresh(held.refresh) for one in services))

        answers = self.service.run(send())
        assert [answer.status_code for answer in answers] == [200 if h else 401 for h in honoured]
        if not honoured[0]:
            return None
        kept = [self.hold(session, answer) for answer in answers]
        same = [other for other in self.held if other.session is session]
        assert len({o.refresh for o in same if o.generation == session.generation}) == 1
        return kept[-1]

    def act(
        self,
        held: Held,
        worker: int,
        method: str,
        path: str,
        expected: int,
        ended: Sequence[Session] = (),
        **request: Any,
    ) -> bool:
        """Call with an access token; if it is accepted, these sessions end. Tell whether it was."""
        believed = held.grants_access(self.now)
        headers = {"Authorization": f"Bearer {held.access}"}
        answer = self.service.call(worker, method, path, headers=headers, **request)
        assert answer.status_code == (expected if believed else 401)
        if believed:
            self.touched(held.session)
            for session in ended:
                session.ended = True
        return believed

    def touched(self, session: Session) -> None:
        session.active_at = max(session.active_at, self.now)


async def until_it_knows(worker: World, held: Held) -> None:
    """Wait for the feed: tokens that still verify must be in the list of revocations."""
    revocations, claims = worker.service(Sessions).revocations, claims_of(held.access)
    await eventually(lambda: is_revoked(revocations, claims), 1)


def believes(worker: World, held: Held) -> bool:
    """Ask a worker's own judge, as every authenticated route does."""
    authenticator: Authenticator = worker.wiring.services[Authenticator]
    try:
        authenticator.authenticate(held.access)
    except Unauthenticated:
        return False
    return True


@pytest.mark.timeout(120 + 5 * EXAMPLES)
def test_sessions_do_what_the_model_says(dsn: str, tmp_path: Path) -> None:
    configured = Settings(
        _env_file=None,
        database_url=dsn,
        data_dir=tmp_path,
        secret_key="a secret key that only the tests know",
        bcrypt_cost=4,
        limits="off",
        metrics=False,
        refresh_grace=GRACE,
        access_token_ttl=TOKEN_TTL,
        session_idle_ttl=IDLE_TTL,
        session_max_ttl=MAX_TTL,
        activity_flush_seconds=60,
        ended_session_retention_days=36500,
    )
    with asyncio.Runner() as runner:
        runner.run(empty_tables(dsn))
        SessionMachine.service = service = Service(runner, configured)
        try:
            run_state_machine_as_test(
                SessionMachine,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=40,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            service.stop()
    assert service.clock.now() - START > timedelta(days=1), "time did pass"
