"""One who asks every worker of every instance at once, and what must hold everywhere."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from drills.harness.ledger import Account, Credential, Ledger, Program, Session
from drills.harness.people import Visitor, first_administrator
from drills.harness.programs import Operator
from drills.harness.wire import Answer, Wire

# The promise: what was ended is refused everywhere within so many seconds.
LONGEST_LAG = 1.0

# Kept connections to each instance. Its workers share them evenly, so each worker has some.
_WIRES = 4


@dataclass
class Findings:
    """The violations, and the seconds until all workers refused what one had ended."""

    wrong: list[str] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)


class Everywhere:
    """Connections to every worker of every instance, for one story at a time."""

    def __init__(self, ledger: Ledger, ports: Sequence[int], findings: Findings) -> None:
        self._ledger = ledger
        self._wires = [Wire(port) for port in ports for _ in range(_WIRES)]
        self._wrong, self._lags = findings.wrong, findings.lags

    def close(self) -> None:
        for wire in self._wires:
            wire.close()

    async def somebody(self) -> tuple[Visitor, Session]:
        """Sign up, and see that every worker knows the session."""
        visitor, account = Visitor(self._ledger, self._wires[0], 0), Account()
        self._ledger.accounts.append(account)
        if not await visitor.register(account):
            raise RuntimeError("nobody can sign up")
        session = account.sessions[-1]
        self._expect({200}, await self._ask_all("me", "/me", session.access_token), "at first")
        return visitor, session

    async def limit(self, room: int) -> None:
        """Ask more often than the limit of /me/sessions allows: so many pass, and no more."""
        _, session = await self.somebody()
        rounds = -(-room * 3 // (2 * len(self._wires)))
        answers = [
            answer
            for _ in range(rounds)
            for answer in await self._ask_all("sessions", "/me/sessions", session.access_token)
        ]
        passed = sum(answer.status == 200 for answer in answers)
        if passed != room or any(answer.status not in {200, 429} for answer in answers):
            self._wrong.append(f"a limit of {room} let {passed} of {len(answers)} pass")

    async def revocation(self) -> None:
        """Sign out on one worker; every other refuses the token within a second."""
        visitor, session = await self.somebody()
        await visitor.log_out(session)
        await self._refused_everywhere(session.access_token)

    async def single_use(self, grace: float) -> None:
        """Present one refresh token to all at once, and once more when its grace is over."""
        visitor, session = await self.somebody()
        used = session.refresh_token
        answers = await self._refresh_all(used)
        self._expect({200}, answers, "for one token presented to all at once")
        successors = {answer.json()["refresh_token"] for answer in answers if answer.status == 200}
        if len(successors) != 1:
            self._wrong.append(f"one token has {len(successors)} successors")
        await visitor.refresh(session)
        if session.refresh_token not in successors:
            self._wrong.append("a replay gave another successor")
        await asyncio.sleep(grace + 0.2)
        session.ending = session.ended = True
        self._expect({401}, await self._refresh_all(used), "for a token past its grace")
        await self._refused_everywhere(session.access_token)

    async def programs(self) -> None:
        """Revoke a token of a program, then exchange its secret: all workers refuse what ended."""
        me = first_administrator()
        self._ledger.accounts.append(me)
        operator = Operator(self._ledger, self._wires[0], 0, me)
        program = await operator.prepared()
        token = program.live_tokens[-1]
        await self._inactive_everywhere(program, token, operator.revoke(program, token))
        program = await operator.prepared()
        token = program.live_tokens[-1]
        await self._inactive_everywhere(program, token, operator.rotate_secret())
        for wire in self._wires:
            former = await self._introspect(wire, program, program.former_secrets[-1], token)
            self._expect({401}, [former], "for a secret that was removed")

    async def _inactive_everywhere(
        self, program: Program, token: Credential, end: Awaitable[object]
    ) -> None:
        """End a token; every worker that took it for active has heard of it within a second."""
        for wire in self._wires:
            if not await self._is_active(wire, program, token):
                self._wrong.append("a live token is not active")
        await end
        since = time.monotonic()

        async def heard_by(wire: Wire) -> None:
            while await self._is_active(wire, program, token):
                if time.monotonic() - since > 10 * LONGEST_LAG:
                    self._wrong.append("an ended token lives on")
                    return
            self._lags.append(time.monotonic() - since)

        await asyncio.gather(*map(heard_by, self._wires))

    async def _is_active(self, wire: Wire, program: Program, token: Credential) -> bool:
        told = await self._introspect(wire, program, program.secrets[-1], token)
        return told.status != 200 or bool(told.json()["active"])

    async def _introspect(
        self, wire: Wire, program: Program, secret: Credential, token: Credential
    ) -> Answer:
        answer = await self._ledger.ask(
            wire,
            "introspect",
            ("POST", "/oauth2/introspect"),
            client=(program.id, secret.text),
            form={"token": token.text},
            expected=(401,),  # a new secret at another worker, for a second; a former one, for ever
        )
        return answer or Answer(0, {}, b"")

    async def _refused_everywhere(self, token: str) -> None:
        since = time.monotonic()
        await asyncio.gather(*(self._refused_by(wire, token, since) for wire in self._wires))
        for answer in await self._ask_all("me", "/me", token):
            if answer.status != 401:
                self._wrong.append(f"an ended session came back: {answer.status}")

    async def _refused_by(self, wire: Wire, token: str, since: float) -> None:
        while (await self._ask(wire, "me", ("GET", "/me"), token)).status != 401:
            if time.monotonic() - since > 10 * LONGEST_LAG:
                self._wrong.append("an ended session lives on")
                return
        self._lags.append(time.monotonic() - since)

    async def _refresh_all(self, token: str) -> list[Answer]:
        asked = (
            self._ask(wire, "refresh at once", ("POST", "/refresh"), body={"token": token})
            for wire in self._wires
        )
        return await asyncio.gather(*asked)

    async def _ask_all(self, kind: str, path: str, token: str) -> list[Answer]:
        return await asyncio.gather(
            *(self._ask(wire, kind, ("GET", path), token) for wire in self._wires)
        )

    async def _ask(
        self,
        wire: Wire,
        kind: str,
        request: tuple[str, str],
        token: str | None = None,
        body: object = None,
    ) -> Answer:
        answer = await self._ledger.ask(
            wire, kind, request, expected=(401, 429), token=token, body=body
        )
        return answer or Answer(0, {}, b"")

    def _expect(self, statuses: set[int], answers: list[Answer], when: str) -> None:
        self._wrong += [
            f"{answer.status} {when}" for answer in answers if answer.status not in statuses
        ]


async def look_everywhere(
    ledger: Ledger, ports: Sequence[int], room: int, grace: float
) -> Findings:
    """See, several people at once, that limits, revocation and single use hold across all.

    `room`: what the limit of /me/sessions lets pass; `grace`: of refresh tokens, in seconds.
    """
    findings = Findings()

    async def tell(story: Callable[[Everywhere], Awaitable[None]]) -> None:
        everywhere = Everywhere(ledger, ports, findings)
        await story(everywhere)
        everywhere.close()

    await asyncio.gather(
        tell(lambda everywhere: everywhere.limit(room)),
        *(tell(Everywhere.revocation) for _ in range(2)),
        tell(Everywhere.programs),
        *(tell(lambda everywhere: everywhere.single_use(grace)) for _ in range(2)),
    )
    return findings
