"""The chain of the audit log: every manipulation is detected."""

import asyncio
from uuid import UUID

import pytest
import structlog
from tests.fixtures.clock import MovableClock
from tests.fixtures.metrics import value_of

from keyfob.audit.chain import Beginning, Verdict
from keyfob.audit.models import AuditEvent, AuditFilter
from keyfob.audit.service import AUDIT_POSITION, Audit
from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.core.secrets import new_id
from keyfob.devices.source import Source

OLD_SECRET = "the secret key of last year, long enough"
NEW_SECRET = "the secret key of this year, long enough"
AMOUNT = 6
ANY = AuditFilter()


def audit_of(db: Database, clock: MovableClock, *secrets: str) -> Audit:
    return Audit(db=db, ring=SecretKeyring(secrets or (OLD_SECRET,)).derive("audit"), clock=clock)


async def record(audit: Audit, number: int = 0) -> None:
    """Write an event that has something in every column."""
    async with audit.db.begin() as tx:
        await audit.record(
            tx,
            action=f"test.event_{number}",
            actor_id=new_id(audit.clock.now()),
            target_id=new_id(audit.clock.now()),
            old={"role": "user", "weights": [1, 2.5, None], "größe": "ä"},
            new={"role": "admin", "z": 1, "a": {"b": True}},
            source=Source(f"2001:db8::{number}" if number % 2 else "203.0.113.7", ""),
        )


async def listed(audit: Audit, wanted: AuditFilter = ANY, **page: int) -> list[AuditEvent]:
    return [one.event for one in await audit.list_events(wanted, **page)]


@pytest.fixture
async def audit(db: Database, clock: MovableClock) -> Audit:
    """A log with six events, one a second."""
    audit = audit_of(db, clock)
    for number in range(AMOUNT):
        clock.advance(1.000_001)
        await record(audit, number)
    return audit


async def test_what_was_recorded_holds(audit: Audit) -> None:
    assert await audit.verify() == Verdict(checked=AMOUNT, broken_at=None)


@pytest.mark.parametrize("batch", [1, AMOUNT - 1, AMOUNT])
async def test_the_chain_is_followed_from_batch_to_batch(audit: Audit, batch: int) -> None:
    assert await audit.verify(batch=batch) == Verdict(checked=AMOUNT, broken_at=None)


@pytest.mark.parametrize("position", [0, -1])
async def test_an_event_put_before_the_first_is_found(audit: Audit, position: int) -> None:
    await audit.db.execute("UPDATE audit_events SET position = $1 WHERE position = 3", position)

    assert await audit.verify() == Verdict(checked=0, broken_at=position)


async def test_an_empty_log_holds(db: Database, clock: MovableClock) -> None:
    assert await audit_of(db, clock).verify() == Verdict(checked=0, broken_at=None)


@pytest.mark.parametrize(
    "change",
    [
        "id = '01890000-0000-7000-8000-000000000000'",
        "at = at + interval '1 microsecond'",
        "action = 'test.event_x'",
        "actor_id = target_id",
        "actor_id = NULL",
        "target_id = actor_id",
        "target_id = NULL",
        "old_values = '{}'",
        """old_values = jsonb_set(old_values, '{role}', '"admin"')""",
        "new_values = jsonb_set(new_values, '{z}', '2')",
        "new_values = new_values - 'a'",
        "mac = set_byte(mac, 0, get_byte(mac, 0) # 1)",
        "mac = set_byte(mac, 34, get_byte(mac, 34) # 1)",
        "mac = ''",
    ],
)
@pytest.mark.parametrize("position", [1, 3, AMOUNT])
async def test_a_changed_event_is_found(audit: Audit, change: str, position: int) -> None:
    await audit.db.execute(f"UPDATE audit_events SET {change} WHERE position = $1", position)

    assert await audit.verify() == Verdict(checked=position - 1, broken_at=position)


@pytest.mark.parametrize("position", [1, 3, AMOUNT - 1])
async def test_a_dropped_event_is_found(audit: Audit, position: int) -> None:
    await audit.db.execute("DELETE FROM audit_events WHERE position = $1", position)

    assert await audit.verify() == Verdict(checked=position - 1, broken_at=position + 1)


@pytest.mark.parametrize("position", [1, 3, AMOUNT - 1])
async def test_a_dropped_event_is_found_though_the_gap_was_closed(
    audit: Audit, position: int
) -> None:
    await audit.db.execute("DELETE FROM audit_events WHERE position = $1", position)
    for later in range(position + 1, AMOUNT + 1):
        await audit.db.execute(
            "UPDATE audit_events SET position = position - 1 WHERE position = $1", later
        )

    assert await audit.verify() == Verdict(checked=position - 1, broken_at=position)


@pytest.mark.parametrize("position", [1, 3, AMOUNT + 1])
async def test_an_inserted_event_is_found(audit: Audit, position: int) -> None:
    for later in range(AMOUNT, position - 1, -1):
        await audit.db.execute(
            "UPDATE audit_events SET position = position + 1 WHERE position = $1", later
        )
    await audit.db.execute(
        """
        INSERT INTO audit_events
        SELECT $1, $2, at, 'test.forged', actor_id, target_id, old_values, new_values, ip_address,
               mac
          FROM audit_events LIMIT 1
        """,
        position,
        new_id(audit.clock.now()),
    )

    assert await audit.verify() == Verdict(checked=position - 1, broken_at=position)


async def test_two_events_in_each_other_s_place_are_found(audit: Audit) -> None:
    for old, new in ((2, 100), (3, 2), (100, 3)):
        await audit.db.execute(
            "UPDATE audit_events SET position = $2 WHERE position = $1", old, new
        )

    assert await audit.verify() == Verdict(checked=1, broken_at=2)


async def test_an_event_signed_by_a_key_that_is_not_ours_is_found(
    audit: Audit, clock: MovableClock
) -> None:
    await record(audit_of(audit.db, clock, "a secret key that the attacker made up"))

    assert await audit.verify() == Verdict(checked=AMOUNT, broken_at=AMOUNT + 1)


async def test_that_the_newest_were_cut_off_is_seen_from_outside(
    audit: Audit,
) -> None:
    """Not by `verify`: removed events are in the log, and their position in the gauge."""
    with structlog.testing.capture_logs() as logged:
        await record(audit, 7)
    (newest, *_) = await listed(audit)
    await audit.measure()
    assert value_of(AUDIT_POSITION) == AMOUNT + 1

    await audit.db.execute("DELETE FROM audit_events WHERE position > 4")

    assert await audit.verify() == Verdict(checked=4, broken_at=None)
    await audit.measure()
    assert value_of(AUDIT_POSITION) == 4
    (line,) = logged
    assert (line["event"], line["position"]) == ("audit_event", AMOUNT + 1)
    assert line["mac"] == newest.mac.hex()


async def begin_anew(audit: Audit, clock: MovableClock) -> Audit:
    """Begin anew with a new secret, of which the old one was lost; two events more come after."""
    anew = audit_of(audit.db, clock, NEW_SECRET)
    begun = await anew.begin_anew()
    assert begun == Beginning(position=AMOUNT + 1, at=clock.now(), broken_at=1)
    await record(anew, 7)
    await record(anew, 8)
    assert await anew.verify() == Verdict(3, None, begun)
    return anew


async def test_a_chain_begun_anew_is_not_begun_again(audit: Audit, clock: MovableClock) -> None:
    anew = await begin_anew(audit, clock)

    assert await anew.begin_anew() is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_events SET action = 'test.forged' WHERE position = 3",
        "UPDATE audit_events SET mac = '' WHERE position = 6",
        "DELETE FROM audit_events WHERE position = 2",
        "DELETE FROM audit_events WHERE position <= 6",
        "UPDATE audit_events SET new_values = '{}' WHERE action = 'audit.begun_anew'",
        "DELETE FROM audit_events WHERE action = 'audit.begun_anew'",
    ],
)
async def test_what_stood_before_a_new_beginning_cannot_be_changed_unseen(
    audit: Audit, clock: MovableClock, change: str
) -> None:
    anew = await begin_anew(audit, clock)

    await audit.db.execute(change)

    verdict = await anew.verify()
    assert verdict.broken_at is not None
    assert verdict.begun_anew is None


async def test_a_break_after_a_new_beginning_needs_one_of_its_own(
    audit: Audit, clock: MovableClock
) -> None:
    anew = await begin_anew(audit, clock)
    await audit.db.execute("DELETE FROM audit_events WHERE position = 8")
    assert (await anew.verify()).broken_at == 9

    begun = await anew.begin_anew()

    assert begun is not None
    assert (begun.position, begun.broken_at) == (10, 9)
    assert await anew.verify() == Verdict(2, None, begun)


async def test_with_the_secret_rotated_old_and_new_events_hold(
    audit: Audit, clock: MovableClock
) -> None:
    rotated = audit_of(audit.db, clock, NEW_SECRET, OLD_SECRET)
    await record(rotated, 6)
    await record(rotated, 7)

    assert await rotated.verify() == Verdict(checked=AMOUNT + 2, broken_at=None)
    # An instance that was not told the new one yet sees that it cannot vouch for the new events.
    assert await audit.verify() == Verdict(checked=AMOUNT, broken_at=AMOUNT + 1)


async def test_without_the_old_secret_the_old_events_cannot_be_vouched_for(
    audit: Audit, clock: MovableClock
) -> None:
    assert await audit_of(audit.db, clock, NEW_SECRET).verify() == Verdict(checked=0, broken_at=1)


async def test_another_purpose_s_key_does_not_vouch(audit: Audit, clock: MovableClock) -> None:
    other = Audit(db=audit.db, ring=SecretKeyring([OLD_SECRET]).derive("cursors"), clock=clock)

    assert await other.verify() == Verdict(checked=0, broken_at=1)


async def test_events_at_once_from_two_instances_stand_in_one_chain(
    audit: Audit, empty_dsn: str, clock: MovableClock
) -> None:
    other_db = Database(empty_dsn, pool_size=10)
    await other_db.open()
    other = audit_of(other_db, clock)

    await asyncio.gather(*(record(one) for one in (audit, other) for _ in range(20)))

    assert await audit.verify() == Verdict(checked=AMOUNT + 40, broken_at=None)
    await other_db.close()


async def test_what_is_rolled_back_leaves_no_gap(audit: Audit) -> None:
    with pytest.raises(RuntimeError):
        await record_and_fail(audit)
    await record(audit)

    assert await audit.verify() == Verdict(checked=AMOUNT + 1, broken_at=None)
    actions = await audit.db.fetch("SELECT action FROM audit_events")
    assert "test.regretted" not in [row["action"] for row in actions]


async def record_and_fail(audit: Audit) -> None:
    async with audit.db.begin() as tx:
        await audit.record(tx, action="test.regretted", actor_id=None, target_id=None)
        raise RuntimeError


async def test_an_event_that_is_undone_is_told_to_no_log(audit: Audit) -> None:
    with structlog.testing.capture_logs() as logged:
        with pytest.raises(RuntimeError):
            await record_and_fail(audit)
        await record(audit)

    assert [line["position"] for line in logged] == [AMOUNT + 1]
    assert [line["action"] for line in logged] == ["test.event_0"]


async def test_the_addresses_of_one_person_are_erased_and_the_chain_holds(audit: Audit) -> None:
    events = await listed(audit)
    erased = events[2]

    async with audit.db.begin() as tx:
        await audit.erase_person(tx, erased.actor_id)

    assert [event.ip_address is None for event in await listed(audit)] == [
        event is erased for event in events
    ]
    assert await audit.verify() == Verdict(checked=AMOUNT, broken_at=None)


async def test_the_service_itself_is_nobody_from_nowhere(audit: Audit) -> None:
    async with audit.db.begin() as tx:
        await audit.record(tx, action="test.bare", actor_id=None, target_id=None)

    (event,) = await listed(audit, limit=1)
    names = ("actor_id", "target_id", "ip_address", "old_values", "new_values")
    assert [getattr(event, name) for name in names] == [None, None, None, {}, {}]
    assert (await audit.verify()).broken_at is None


async def test_filters_of_the_list_hold_together(audit: Audit) -> None:
    whole = await listed(audit)
    middle = whole[3]
    assert isinstance(middle.actor_id, UUID)

    wanted = AuditFilter(
        action=middle.action,
        actor_id=middle.actor_id,
        target_id=middle.target_id,
        since=middle.at,
        until=whole[2].at,
    )
    found = await listed(audit, wanted, before=middle.position + 1)

    assert [event.position for event in whole] == [6, 5, 4, 3, 2, 1]
    assert [event.id for event in found] == [middle.id]


async def test_erasing_a_person_blanks_their_addresses_and_breaks_nothing(audit: Audit) -> None:
    actors = {event.actor_id for event in await listed(audit) if event.ip_address}
    person = next(actor for actor in actors if actor is not None)

    async with audit.db.begin() as tx:
        await audit.erase_person(tx, person)

    events = await listed(audit, AuditFilter(actor_id=person))
    assert events
    assert [event.ip_address for event in events] == [None] * len(events)
    assert (await audit.verify()).broken_at is None


@pytest.mark.parametrize("position", [2**63 - 1, 2**62])
async def test_behind_a_forged_event_at_the_end_of_all_places_things_go_on(
    audit: Audit, position: int
) -> None:
    await audit.db.execute(
        """
        INSERT INTO audit_events
        SELECT $1, gen_random_uuid(), at, action, actor_id, target_id, old_values, new_values,
               ip_address, mac
          FROM audit_events WHERE position = 1
        """,
        position,
    )

    await record(audit)

    assert (await audit.verify()).broken_at == position
    await audit.db.execute("DELETE FROM audit_events WHERE position = $1", position)
    assert await audit.verify() == Verdict(checked=AMOUNT + 1, broken_at=None)
