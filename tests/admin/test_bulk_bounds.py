"""The bounds of one change to many users: bodies, rights that end midway, and places."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from tests.admin.test_bulk import bulk, column, make, report_of
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.world import SignedIn, World

from keyfob.accounts.changes import Changes
from keyfob.administration.authority import Actor
from keyfob.administration.bulk import MOST, Bulk
from keyfob.administration.service import Administration
from keyfob.authority.models import Role
from keyfob.core.secrets import new_id
from keyfob.settings import Settings


class TestRefusals:
    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"action": "block"},
            {"action": "factor-reset", "ids": ["{id}"]},
            {"action": "block", "ids": []},
            {"action": "block", "ids": ["{id}"], "filters": {}, "count": 1},
            {"action": "block", "ids": ["{id}"], "count": 1},
            {"action": "block", "filters": {}},
            {"action": "block", "filters": {}, "count": -1},
            {"action": "block", "filters": {}, "count": MOST + 1},
            {"action": "block", "filters": {"password_hash": "x"}, "count": 1},
            {"action": "block", "filters": {"created_after": 0}, "count": 1},
            {"action": "block", "filters": {"created_after": True}, "count": 1},
            {"action": "block", "ids": None},
            {"action": "block", "ids": ["{id}"], "role": "admin"},
            {"action": "set-role", "ids": ["{id}"]},
            {"action": "set-role", "ids": ["{id}"], "role": "root"},
            {"action": "block", "ids": ["{id}"], "dry_run": True},
        ],
        ids=str,
    )
    async def test_what_cannot_be_meant_is_refused(
        self, world: World, body: dict[str, Any]
    ) -> None:
        admin = await world.make_admin()
        (ada,) = await make(world, "ada")

        answer = await world.api.post(
            "/admin/users/bulk",
            content=json.dumps(body).replace("{id}", ada),
            headers={**admin.headers, "content-type": "application/json"},
        )

        assert answer.status_code == 422
        assert await column(world, "status", [ada]) == ["active"]

    async def test_ten_thousand_ids_fit_and_one_more_does_not(self, world: World) -> None:
        admin = await world.make_admin()
        now = START
        ids = [str(new_id(now)) for _ in range(MOST + 1)]
        world.service(Bulk).stop()  # so that none is looked for

        fitting = await bulk(world, admin, action="block", ids=ids[:MOST])
        too_many = await bulk(world, admin, action="block", ids=ids)

        assert report_of(fitting) == [
            {
                "done": 0,
                "refused": 0,
                "left": MOST,
                "code": "unavailable",
                "title": "The service is not available; try again soon",
            }
        ]
        assert too_many.status_code == 422
        assert len(too_many.json()["errors"]) == 1

    async def test_ten_thousand_wrong_ids_are_one_error(self, world: World) -> None:
        admin = await world.make_admin()

        answer = await bulk(world, admin, action="block", ids=["x"] * MOST)

        assert answer.status_code == 422
        assert len(answer.json()["errors"]) == 1

    async def test_strangers_and_users_are_refused_before_a_large_body_is_read(
        self, world: World
    ) -> None:
        await world.make_user()
        ada = await world.log_in()
        torn = b'{"action": "block", "ids": [' + b'"x",' * 100_000
        for headers, status in (({}, 401), (ada.headers, 403)):
            answer = await world.api.post(
                "/admin/users/bulk",
                content=torn,
                headers={**headers, "content-type": "application/json"},
            )
            assert answer.status_code == status

    async def test_other_bodies_are_as_small_as_before(self, world: World) -> None:
        admin = await world.make_admin()
        for path, size, status in (
            ("/admin/users", 70_000, 413),
            ("/admin/users/bulk", 524_289, 413),
        ):
            answer = await world.api.post(path, content=b" " * size, headers=admin.headers)
            assert answer.status_code == status

    async def test_an_old_sign_in_has_to_be_renewed(
        self, world: World, clock: MovableClock
    ) -> None:
        admin = await world.make_admin()
        (ada,) = await make(world, "ada")
        clock.advance(301)
        admin = SignedIn.of(await world.refresh(admin.refresh))

        answer = await bulk(world, admin, action="block", ids=[ada])

        assert (answer.status_code, answer.json()["code"]) == (
            401,
            "insufficient_user_authentication",
        )
        assert 'max_age="300"' in answer.headers["www-authenticate"]
        assert await column(world, "status", [ada]) == ["active"]


class TestMidway:
    """What happens while a change is under way."""

    @staticmethod
    async def begin(world: World, admin: SignedIn, ids: list[str]) -> Any:
        request = {"action": "block", "ids": ids}
        return await world.api.send(
            world.api.build_request(
                "POST", "/admin/users/bulk", json=request, headers=admin.headers
            ),
            stream=True,
        )

    @pytest.mark.parametrize("taking", [{"status": "blocked"}, {"role": "user"}], ids=str)
    async def test_rights_that_are_taken_away_end_it(
        self, world: World, monkeypatch: pytest.MonkeyPatch, taking: dict[str, str]
    ) -> None:
        root = await world.make_admin()
        eve_id = await world.make_user("eve@example.com", role=Role.ADMIN)
        eve = await world.log_in("eve@example.com")
        ids = await make(world, "ada", "bob", "cat", "dan")
        changed: list[str] = []
        change = Administration.change

        async def taken_after_two(self: Any, actor: Actor, user_id: UUID, *args: Any, **more: Any):
            if len(changed) == 2:
                path = f"/admin/users/{eve_id}"
                changed.append(path)
                (await world.api.patch(path, json=taking, headers=root.headers)).raise_for_status()
            changed.append(str(user_id))
            return await change(self, actor, user_id, *args, **more)

        monkeypatch.setattr(Administration, "change", taken_after_two)
        report = report_of(await bulk(world, eve, action="block", ids=ids))

        assert [line.get("code") for line in report] == [
            *[None, None],
            *["invalid_token", "invalid_token"],
        ]
        assert report[-1]["left"] == 1
        assert await column(world, "status", ids) == ["blocked", "blocked", "active", "active"]

    async def test_of_one_administrator_one_is_under_way_at_a_time(self, world: World) -> None:
        admin = await world.make_admin()
        service = world.service(Bulk)
        actor_id = await world.db.fetchval("SELECT id FROM users")
        (ada,) = await make(world, "ada")
        service.places.take(actor_id)

        refused = await bulk(world, admin, action="block", ids=[ada])
        service.places.give(actor_id)
        passed = await bulk(world, admin, action="block", ids=[ada])
        again = await bulk(world, admin, action="unblock", ids=[ada])

        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert [passed.status_code, again.status_code] == [200, 200]

    async def test_a_worker_has_few_places(self, world: World) -> None:
        admin = await world.make_admin()
        places = world.service(Bulk).places
        others = [new_id(START) for _ in range(places.most)]
        for other in others:
            places.take(other)

        answer = await bulk(world, admin, action="block", ids=[str(others[0])])

        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")

    async def test_a_caller_who_leaves_ends_it_after_the_account_at_hand(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.make_user("root@example.com", role=Role.ADMIN)
        ids = [UUID(one) for one in await make(world, "ada", "bob", "cat")]
        at_bob, go_on = asyncio.Event(), asyncio.Event()
        change = Administration.change

        async def slow(self: Any, actor: Actor, user_id: UUID, changes: Changes) -> Any:
            if user_id == ids[1]:
                at_bob.set()
                await go_on.wait()
            return await change(self, actor, user_id, changes)

        monkeypatch.setattr(Administration, "change", slow)
        run = await world.service(Bulk).begin(Actor(None), "block", ids)  # type: ignore[arg-type]

        async def read() -> None:
            async for _ in run.lines():
                pass

        reading = asyncio.create_task(read())
        await at_bob.wait()
        reading.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await reading
        run.close()

        assert await column(world, "status", [str(one) for one in ids]) == [
            "blocked",
            "blocked",
            "active",
        ]
        assert world.service(Bulk).places.taken.total() == 0

    async def test_two_of_two_administrators_at_once_leave_each_account_in_one_of_two_states(
        self, settings: Settings, clock: MovableClock
    ) -> None:
        async with World(settings, clock) as one, World(settings, clock) as two:
            root = await one.make_admin()
            eve = await one.make_admin("eve@example.com")
            ids = await make(one, *(f"user{number}" for number in range(8)))

            answers = await asyncio.gather(
                bulk(one, root, action="block", ids=ids),
                bulk(two, eve, action="block", ids=ids[::-1]),
            )

            reports = [report_of(answer) for answer in answers]
            assert [report[-1] for report in reports] == [{"done": 8, "refused": 0, "left": 0}] * 2
            done = [line for report in reports for line in report if "event_id" in line]
            assert len(done) == len({line["id"] for line in done}) == 8
