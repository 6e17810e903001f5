"""Mixed load for a long time: what grows, leaks or fails."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import asyncpg
from bench.harness.cluster import temporary

from drills.harness.crowd import Pace, crowd
from drills.harness.instances import running, workers_of
from drills.harness.ledger import Ledger
from drills.harness.outcome import Outcome
from drills.harness.rude import rude
from drills.harness.truth import lost_promises
from drills.harness.wire import Break

WHOLE_MINUTES = 30.0

_WORKERS = 2
_POOL = 10
_CLIENTS = 8
_EVERY = 2.0
_KNOWN_WITHIN = 10.0  # seconds; as long as a connection may say nothing

# Of what the machine can do: it has room for other work, and the rate stays what it is.
_PACE = 0.4
_CALIBRATION_SECONDS = 20.0

# Until every worker remembers as much as it may: ended sessions for ten minutes (the life of an
# access token and the skew of clocks), and the newest 10,000 verified tokens.
_WARM_UP_MINUTES = 12.0
_WARM_UP_REQUESTS = 80_000

# The last third of the run may be so much above the middle one.
_GROWTH = 1.05
_SPARE_FILES = 3


@dataclass(frozen=True)
class Sample:
    """A worker at one moment: resident memory in MB, open files."""

    memory: float
    files: int


@dataclass
class Course:
    """The observations over time: of each worker, of the database, and of the requests."""

    workers: dict[int, list[Sample]] = field(default_factory=dict)
    connections: list[int] = field(default_factory=list)
    revocations: list[int] = field(default_factory=list)  # that a worker has to remember
    answered: list[int] = field(default_factory=list)  # requests, since the look before
    requests: int = 0
    acknowledged: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    async def look(self, dsn: str, pids: list[int]) -> None:
        """Take a sample of everything."""
        for pid in pids:
            self.workers.setdefault(pid, []).append(_sample(pid))
        connections, revocations = await _counted(dsn)
        self.connections.append(connections)
        self.revocations.append(revocations)
        self.answered.append(self.requests - sum(self.answered))

    def fold(self, ledger: Ledger) -> None:
        """Add up what was answered, and forget it: a run has millions of requests."""
        done = [ask for ask in ledger.asks if ask.ended != float("inf")]
        told = Ledger()
        told.asks = done
        self.requests += len(done)
        self.acknowledged += told.acknowledged
        self.refused += told.refused()
        self.wrong += [*told.complaints(), *told.broken(*Break)]
        ledger.asks = [ask for ask in ledger.asks if ask.ended == float("inf")]


async def soak(minutes: float) -> Outcome:
    """Half an hour of mixed load on two workers: memory stays flat, nothing leaks, nothing fails.

    Beside the crowd there are clients that leave too early, guess and send nonsense. The crowd asks
    at a steady pace, two fifths of what the machine did when asked for all: what a worker remembers
    by design depends on the rate. The half hour begins when that is full: ended sessions for ten
    minutes, the newest 10,000 verified tokens. From then on each worker's resident memory and open
    files, and the database's connections, are looked at every two seconds. The mean memory of the
    last third is at most 5 % above that of the middle one.
    """
    whole = minutes >= WHOLE_MINUTES
    course, ledger, pace = Course(), Ledger(), Pace()
    with temporary() as cluster:
        dsn = cluster.dsn()
        async with running(dsn, WORKERS=_WORKERS, DATABASE_POOL_SIZE=_POOL) as server:
            pids = workers_of(server)
            at_rest = {pid: _sample(pid) for pid in pids}
            async with (
                crowd(ledger, [server.port], _CLIENTS, pace),
                rude(server.port) as rudeness,
            ):
                before = await _warm_up(ledger, pace, minutes)
                until = time.monotonic() + 60 * minutes
                while time.monotonic() < until:
                    await asyncio.sleep(_EVERY)
                    course.fold(ledger)
                    await course.look(dsn, pids)
            course.fold(ledger)
            open_still = await _left_open(at_rest)
            same = workers_of(server) == pids
            lost = await lost_promises(ledger, dsn, server.port)
    compared = growth(course)
    refused = before.refused + course.refused
    return Outcome(
        did=f"{minutes:g} minutes of mixed load",
        acknowledged=before.acknowledged + course.acknowledged,
        refused=refused,
        lost=lost,
        unexpected=[
            *before.wrong,
            *course.wrong,
            *leaks(course),
            *open_still,
            *([] if same else ["a worker was replaced"]),
            *([f"{refused} x 503"] if refused else []),
            *([told for share, told in compared if whole and share > _GROWTH]),
        ],
        notes=[
            f"{before.requests} requests to warm up, {course.requests} in the {minutes:g} minutes, "
            f"and {rudeness.count} rude ones",
            f"paced at {pace.rate:.0f} requests a second; "
            f"in the thirds: {_in_thirds([count / _EVERY for count in course.answered])}",
            *(told for _, told in compared),
            f"revocations to remember in the thirds: {_in_thirds(course.revocations)}",
            f"at most {max(course.connections)} connections to the database",
        ],
    )


async def _warm_up(ledger: Ledger, pace: Pace, minutes: float) -> Course:
    """Find the pace; keep it until the workers remember all they may. A short run does not wait."""
    share = min(1.0, minutes / WHOLE_MINUTES)
    seen, began = Course(), time.monotonic()
    await asyncio.sleep(_CALIBRATION_SECONDS * share)
    seen.fold(ledger)
    pace.rate = _PACE * seen.requests / (time.monotonic() - began)
    until = began + 60 * _WARM_UP_MINUTES * share
    while time.monotonic() < until or seen.requests < _WARM_UP_REQUESTS * share:
        await asyncio.sleep(_EVERY)
        seen.fold(ledger)
    return seen


def growth(course: Course) -> list[tuple[float, str]]:
    """Compare the last third of the run with the middle one, for each worker."""
    told = []
    for number, samples in enumerate(course.workers.values(), 1):
        memory = [sample.memory for sample in samples]
        _, middle, last = _thirds(memory)
        share = last / middle
        text = f"worker {number}: {_in_thirds(memory)} MB in the thirds"
        told.append((share, f"{text} ({share - 1:+.1%} in the last)"))
    return told


def _thirds(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of each third."""
    third = len(values) // 3
    parts = values[:third], values[third : 2 * third], values[2 * third :]
    first, middle, last = (fmean(part) for part in parts)
    return first, middle, last


def _in_thirds(values: Sequence[float]) -> str:
    first, middle, last = (
        f"{mean:,.1f}" if mean < 1000 else f"{mean:,.0f}" for mean in _thirds(values)
    )
    return f"{first}, {middle} and {last}"


def leaks(course: Course) -> list[str]:
    """Tell of files that become more and more, and of connections beyond the pools."""
    found = []
    for samples in course.workers.values():
        third = len(samples) // 3
        middle = max(sample.files for sample in samples[third : 2 * third])
        last = max(sample.files for sample in samples[2 * third :])
        if last > middle + _SPARE_FILES:
            found.append(f"{middle} open files in the middle third, {last} in the last")
    most = _WORKERS * (_POOL + 1)  # and the feed's
    if max(course.connections) > most:
        found.append(f"{max(course.connections)} connections to the database, of {most}")
    return found


async def _left_open(at_rest: dict[int, Sample]) -> list[str]:
    """Tell of files that are still open when every client has left, and the server knows it."""
    until = time.monotonic() + _KNOWN_WITHIN
    while True:
        await asyncio.sleep(1)
        more = [_sample(pid).files - sample.files for pid, sample in at_rest.items()]
        left = [f"{files} more open files than at rest before" for files in more if files > _POOL]
        if not left or time.monotonic() > until:
            return left


def _sample(pid: int) -> Sample:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    resident = next(line for line in status if line.startswith("VmRSS"))
    files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return Sample(int(resident.split()[1]) / 1024, files)


async def _counted(dsn: str) -> tuple[int, int]:
    """Connections of the workers, and revocations that could still meet a token."""
    async with _connected(dsn) as connection:
        (counted,) = await connection.fetch(
            "SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'keyfob%'), "
            "(SELECT count(*) FROM revocations WHERE expires_at > now())"
        )
        return counted[0], counted[1]


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
