"""The mail server goes away, comes back slow, and is well again; meanwhile people ask for mails."""

import asyncio
import time
from statistics import quantiles

from bench.harness.cluster import Cluster, temporary

from drills.harness.crowd import Size, crowd
from drills.harness.instances import running
from drills.harness.judging import Story
from drills.harness.ledger import Ledger
from drills.harness.outcome import Outcome
from drills.harness.post import Forgetful, PostOffice, forgetful
from drills.harness.truth import lost_promises
from drills.harness.watch import watch

_TIMEOUT = 2.0  # of the service, for the mail server
_SLOW = 5.0

# Seconds within which every mail must have come once the mail server is well: a mail that was
# tried three times meanwhile waits for two minutes.
_PATIENCE = 180.0

# A request may be so much slower than before, as a factor and in seconds: the machine does more.
_SLOWER, _MARGIN = 2.0, 0.05


async def mail_away(size: Size) -> Outcome:
    """SMTP down or slow: requests as fast as ever, each mail delivered later, once."""
    story = Story("took the mail server away, brought it back slow", size, must_refuse=False)
    story.may_refuse = False
    office = PostOffice()
    with temporary() as cluster:
        settings = {**size.timeouts, "SMTP_URL": office.url, "SMTP_TIMEOUT": _TIMEOUT}
        async with running(cluster.dsn(), WORKERS=2, **settings) as server:
            await office.open()
            outcome = await _story(story, office, cluster, server.port)
            office.close()
    return outcome


async def _story(story: Story, office: PostOffice, cluster: Cluster, port: int) -> Outcome:
    size, ledger = story.size, story.ledger
    async with (
        watch(port) as story.life,
        crowd(ledger, [port], size.clients) as people,
        forgetful(ledger, port) as somebody,
    ):
        began = time.monotonic()
        await people.acknowledged(size.requests // 2)
        story.faults_at.append(time.monotonic())
        office.close()
        await asyncio.sleep(size.fault_seconds)
        office.delay = _SLOW
        await office.open()
        story.faults_at.append(time.monotonic())
        await people.acknowledged(size.requests // 2)
        await asyncio.sleep(size.fault_seconds)
        office.delay = 0.0
        story.back_at = time.monotonic()
        await people.acknowledged(size.requests // 2)
    came_in = await _all_came(office, somebody, story.back_at)
    away = story.faults_at[0]
    _compare(story, _p95(ledger, began, away), _p95(ledger, away, story.back_at))
    outcome = story.outcome(await lost_promises(ledger, cluster.dsn(), port))
    return _with_mails(outcome, office, somebody, came_in)


async def _all_came(office: PostOffice, somebody: Forgetful, back_at: float) -> float:
    """Wait until every mail came, or for as long as allowed; seconds since the server is well."""
    while time.monotonic() < back_at + _PATIENCE:
        if all(office.taken[address] for address in somebody.promised):
            break
        await asyncio.sleep(0.05)
    return time.monotonic() - back_at


def _p95(ledger: Ledger, since: float, until: float) -> float:
    times = [ask.ended - ask.began for ask in ledger.asks if since <= ask.began < until]
    return quantiles(times, n=20)[-1]


def _compare(story: Story, before: float, meanwhile: float) -> None:
    story.notes.append(f"95 % within {before * 1000:.0f} ms before, {meanwhile * 1000:.0f} ms then")
    if meanwhile > before * _SLOWER + _MARGIN:
        story.late.append("requests were slower while the mail server was away")


def _with_mails(
    outcome: Outcome, office: PostOffice, somebody: Forgetful, came_in: float
) -> Outcome:
    missing = [address for address in somebody.promised if not office.taken[address]]
    doubles = [address for address, times in office.taken.items() if times > 1]
    outcome.lost.extend([f"{len(missing)} mails"] if missing else [])
    outcome.unexpected.extend([f"{len(doubles)} mails came twice"] if doubles else [])
    outcome.notes.append(f"{len(somebody.promised)} mails, the last after {came_in:.1f} s")
    outcome.figures["mails"] = len(somebody.promised)
    outcome.figures["last_mail_in"] = came_in
    return outcome
