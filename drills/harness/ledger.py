"""The ledger of requests and acknowledged results, which is compared with the truth."""

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from drills.harness.wire import Answer, Break, Unanswered, Wire

PASSWORD = "a password of the drills 7"


@dataclass
class Ask:
    """One request; times are of the monotonic clock, in seconds."""

    kind: str
    began: float
    ended: float = float("inf")
    status: int = 0  # 0: no answer (yet)
    code: str = ""  # of a 503
    broke: Break | None = None
    complaint: str = ""  # what is wrong with the answer, whatever was broken around it

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300


@dataclass
class Session:
    """A session that somebody was given."""

    id: str
    account: "Account"
    access_token: str
    refresh_token: str
    generation: int
    stale_at: float  # when the access token is about to expire
    ending: bool = False  # its end was asked for
    ended: bool = False  # and acknowledged


@dataclass
class Account:
    """An account that somebody asked for, and what is promised about it.

    `roles`, `statuses`: the acknowledged one and, after it, those asked for since without an
    answer; one of them must be true.
    """

    email: str = field(default_factory=lambda: f"{uuid.uuid4().hex}@example.com")
    password: str = PASSWORD
    id: str = ""  # set with the acknowledgement
    by_admin: bool = False
    roles: list[str] = field(default_factory=lambda: ["user"])
    statuses: list[str] = field(default_factory=lambda: ["active"])
    deleting: bool = False
    deleted: bool = False
    sessions: list[Session] = field(default_factory=list)
    sign_ins_asked: int = 0
    changes_asked: int = 0
    changes_made: int = 0

    @property
    def live(self) -> list[Session]:
        """The sessions that nobody asked to end."""
        return [session for session in self.sessions if not session.ending]


@dataclass(eq=False)
class Credential:
    """A secret, an API key or a token that a program was given.

    Args:
        stale_at: when it expires by itself, or soon will.
        rests_on: the API key that it was given for, which takes it along.
    """

    text: str
    id: str = ""
    stale_at: float = float("inf")
    rests_on: "Credential | None" = None
    made_at: float = field(default_factory=time.monotonic)
    ending: bool = False  # its end was asked for
    ended: bool = False  # and acknowledged


@dataclass
class Program:
    """A client that an administrator registered, and what it was given.

    `in_doubt`: a change had no answer, so that it may have a secret that nobody knows, or one less.
    """

    id: str
    in_doubt: bool = False
    secrets: list[Credential] = field(default_factory=list)
    former_secrets: list[Credential] = field(default_factory=list)
    keys: list[Credential] = field(default_factory=list)
    tokens: list[Credential] = field(default_factory=list)

    @property
    def live_tokens(self) -> list[Credential]:
        """The tokens that nobody asked to end."""
        return [token for token in self.tokens if not token.ending]


class Ledger:
    """Every request of a drill, and every promise."""

    def __init__(self) -> None:
        self.asks: list[Ask] = []
        self.accounts: list[Account] = []
        self.programs: list[Program] = []

    async def ask(
        self,
        wire: Wire,
        kind: str,
        request: tuple[str, str],
        *,
        expected: tuple[int, ...] = (),
        token: str | None = None,
        body: object = None,
        form: Mapping[str, str] | None = None,
        client: tuple[str, str] | None = None,
    ) -> Answer | None:
        """Send a request and note what comes of it; None where no answer came.

        `expected`: statuses beside 2xx and 503 that this request may rightly get.
        """
        ask = Ask(kind, time.monotonic())
        self.asks.append(ask)
        try:
            answer = await wire.ask(*request, token=token, body=body, form=form, client=client)
        except Unanswered as unanswered:
            ask.broke = unanswered.how
            return None
        finally:
            ask.ended = time.monotonic()
        ask.status = answer.status
        ask.code = _code(answer)
        ask.complaint = _complaint(answer, expected)
        return answer

    @property
    def acknowledged(self) -> int:
        """The number of requests with a 2xx."""
        return sum(ask.acknowledged for ask in self.asks)

    def in_flight(self, at: float) -> int:
        """The number of requests that were sent and not answered at that time."""
        return sum(ask.began <= at < ask.ended for ask in self.asks)

    def complaints(self) -> list[str]:
        """Answers that must never occur: each with its number."""
        return _count(f"{ask.kind}: {ask.complaint}" for ask in self.asks if ask.complaint)

    def broken(self, *kinds: Break) -> list[str]:
        """Requests that ended in these ways, each with how often."""
        return _count(f"{ask.kind} {ask.broke}" for ask in self.asks if ask.broke in kinds)

    def refused(self, since: float = 0.0, until: float = float("inf")) -> int:
        """The number of 503s that were sent in a period."""
        return len(self._refusals(since, until))

    def refusals(self, until: float = float("inf")) -> list[str]:
        """The 503s sent until then: what they refused and why, each with how often."""
        return _count(f"{ask.kind} 503 {ask.code}" for ask in self._refusals(0.0, until))

    def _refusals(self, since: float, until: float) -> list[Ask]:
        return [ask for ask in self.asks if ask.status == 503 and since <= ask.ended < until]

    def slowest(self, *statuses: int) -> float:
        """The longest that anybody waited for an answer, or for one of a status, in seconds."""
        times = (
            ask.ended - ask.began
            for ask in self.asks
            if (ask.status in statuses if statuses else ask.status)
        )
        return max(times, default=0.0)

    def recovered_in(self, back: float) -> float | None:
        """Seconds from `back` until requests succeed and none fails any more; None: never."""
        later = [ask for ask in self.asks if ask.ended >= back and ask.ended != float("inf")]
        failed = [ask.ended for ask in later if ask.status == 503 or ask.broke]
        since = max(failed, default=back)
        good = [ask.ended for ask in later if ask.acknowledged and ask.ended >= since]
        return min(good) - back if good else None


def _code(answer: Answer) -> str:
    if answer.status != 503:
        return ""
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return "without a code"


def _complaint(answer: Answer, expected: tuple[int, ...]) -> str:
    if 200 <= answer.status < 300 or answer.status in expected:
        return ""
    if answer.status == 503:
        return "" if "retry-after" in answer.headers else "503 without Retry-After"
    said = answer.body.decode(errors="replace")
    return f"{answer.status} {said.partition('request_id')[0][:160]}"


def _count(names: Iterable[str]) -> list[str]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return [f"{times} x {name}" for name, times in counts.items()]
