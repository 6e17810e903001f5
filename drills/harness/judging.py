"""From a ledger to an outcome: what is always wrong, and what a drill excuses."""

from collections.abc import Collection
from dataclasses import dataclass, field

from drills.harness.crowd import Size
from drills.harness.instances import LONGEST_RECOVERY
from drills.harness.ledger import Ledger
from drills.harness.outcome import Outcome
from drills.harness.watch import Watch
from drills.harness.wire import Break


@dataclass
class Story:
    """The record of a drill, written while it runs.

    Args:
        faults_at: when each fault began, by the monotonic clock, in seconds.
        back_at: when the last fault was over; None where there is nothing to recover from.
        excused: ways to end without an answer that the fault may cause.
        may_refuse: whether 503 is a right answer once the fault has begun.
        must_refuse: whether the drill shows nothing when nobody was refused.
    """

    did: str
    size: Size
    ledger: Ledger = field(default_factory=Ledger)
    faults_at: list[float] = field(default_factory=list)
    back_at: float | None = None
    excused: Collection[Break] = ()
    may_refuse: bool = True
    must_refuse: bool = True
    life: Watch | None = None
    unexpected: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def outcome(self, lost: list[str]) -> Outcome:
        """Judge, given the promises that did not hold."""
        ledger = self.ledger
        times = f"slowest answer {ledger.slowest():.2f} s"
        if ledger.refused():
            times += f", slowest refusal {ledger.slowest(503):.2f} s"
        return Outcome(
            did=self.did,
            in_flight=sum(ledger.in_flight(at) for at in self.faults_at),
            acknowledged=ledger.acknowledged,
            refused=ledger.refused(),
            lost=lost,
            unexpected=[*self.unexpected, *self._unexpected()],
            recovered_in=None if self.back_at is None else ledger.recovered_in(self.back_at),
            late=[*self.late, *self._late()],
            notes=[*self.notes, times, *self._excuses()],
        )

    def _unexpected(self) -> list[str]:
        ledger, wrong = self.ledger, set(Break) - set(self.excused)
        early = ledger.refusals(self.faults_at[0]) if self.may_refuse else ledger.refusals()
        return [
            *ledger.complaints(),
            *ledger.broken(*wrong),
            *(self.life.complaints() if self.life else []),
            *(f"{refusals} that nothing explains" for refusals in early),
            *(["nobody felt the fault"] if self.must_refuse and not ledger.refused() else []),
        ]

    def _excuses(self) -> list[str]:
        broken = ", ".join(self.ledger.broken(*self.excused))
        return [f"without an answer, by the fault: {broken}"] if broken else []

    def _late(self) -> list[str]:
        late = self.life.late() if self.life else []
        slowest = self.ledger.slowest(503)
        if slowest > self.size.longest_refusal:
            late.append(f"a refusal took {slowest:.2f} s")
        if self.back_at is not None:
            recovered = self.ledger.recovered_in(self.back_at)
            if recovered is None or recovered > LONGEST_RECOVERY:
                late.append(f"no recovery within {LONGEST_RECOVERY:g} s")
        return late
