"""A mail server to break, and somebody who gives it work."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope
from bench.harness.cluster import free_port

from drills.harness.ledger import Account, Ledger
from drills.harness.people import Visitor
from drills.harness.wire import HOST, Wire

# Seconds between two forgotten passwords.
_PAUSE = 0.1


class PostOffice:
    """Takes mails; while it is slow, each recipient takes so many seconds to look up."""

    def __init__(self) -> None:
        self.port = free_port()
        self.delay = 0.0
        self.taken: Counter[str] = Counter()  # by recipient
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"smtp://{HOST}:{self.port}"

    async def open(self) -> None:
        """Listen, at the same port as before."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, loop=loop), HOST, self.port, reuse_address=True
        )

    def close(self) -> None:
        """Refuse every connection."""
        if self._server is not None:
            self._server.close()
        self._server = None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _: Any, __: Any, envelope: Envelope, address: str, ___: Any
    ) -> str:
        await asyncio.sleep(self.delay)
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(  # noqa: N802 - likewise
        self, _: Any, __: Any, envelope: Envelope
    ) -> str:
        if b"/ui/recover#token=" in _joined(cast("bytes", envelope.content)):
            self.taken.update(envelope.rcpt_tos)
        return "250 taken"


def _joined(quoted: bytes) -> bytes:
    """Undo the line ends and the "=" of quoted-printable (RFC 2045 section 6.7)."""
    return quoted.replace(b"=\r\n", b"").replace(b"=3D", b"=")


class Forgetful(Visitor):
    """Signs up, forgets the password at once, and has a link sent; then again as somebody new."""

    def __init__(self, ledger: Ledger, wire: Wire, seed: int) -> None:
        super().__init__(ledger, wire, seed)
        self.promised: list[str] = []

    async def step(self) -> bool:
        account = Account()
        self.ledger.accounts.append(account)
        if not await self.register(account):
            return False
        answer = await self.ledger.ask(
            self.wire, "recover", ("POST", "/recover/request"), body={"email": account.email}
        )
        if answer is not None and answer.status == 202:
            self.promised.append(account.email)
        return answer is not None


@asynccontextmanager
async def forgetful(ledger: Ledger, port: int) -> AsyncIterator[Forgetful]:
    """Let somebody forget passwords until the end."""
    somebody, stopping = Forgetful(ledger, Wire(port), 0), asyncio.Event()

    async def loop() -> None:
        while not stopping.is_set():
            await somebody.step()
            await asyncio.sleep(_PAUSE)

    task = asyncio.create_task(loop())
    try:
        yield somebody
    finally:
        stopping.set()
        await task
        somebody.wire.close()
