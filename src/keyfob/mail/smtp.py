"""Handing mails to an SMTP server (RFC 5321)."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyfob.core.text import drop_controls
from keyfob.mail.message import Letter
from keyfob.mail.server import Server, read_token
from keyfob.outbox.errors import GiveUp, TryAgain

if TYPE_CHECKING:
    import ssl

    from aiosmtplib import SMTP

_QUIT_SECONDS = 2.0
_PATIENT_SECONDS = 60.0  # at least, for a recipient whose server was too slow before
_PERMANENT = 500
_LONGEST_REASON = 300
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_CODES = re.compile(r"\d{3}(?: [245]\.\d{1,3}\.\d{1,3})?")  # RFC 3463 section 2
# A token in clear, in quoted-printable, in base64: no word of any language is as long.
_OPAQUE = re.compile(r"[\w+/=%~-]{24,}")


@dataclass(frozen=True)
class Answering:
    """Seconds that a server has to answer a mail that it was given.

    Whoever hangs up while a server works on a mail sends that mail twice: RFC 5321 section
    4.5.3.2.6 gives it ten minutes. At first it gets one, for others wait; so whoever takes a
    minute may get a mail twice, and one who takes ten does not hold up the service.
    """

    at_first: float = 60.0
    patient: float = 600.0


class SmtpCarrier:
    """Hands each mail over on a connection of its own.

    Until the server has taken our sender, what goes wrong stops all mails; from then on it is
    this mail's own, for the recipient's server may stand behind whatever is answered, or is not.

    Args:
        server: where to.
        timeout: seconds from connecting until it has taken the sender, and as many for the
            recipient.
        name: what we call ourselves in EHLO.
        answering: how long it may take for its answer to the whole mail.
    """

    def __init__(
        self, server: Server, *, timeout: float, name: str, answering: Answering | None = None
    ) -> None:
        self.server = server
        self._timeout = timeout
        self.name = name
        self._answering = answering or Answering()
        self._trusted: ssl.SSLContext | None = None

    def load(self) -> None:
        """Load aiosmtplib and the certificates that are trusted; to be done in a thread."""
        import ssl  # noqa: PLC0415 - only where used

        import aiosmtplib  # noqa: F401, PLC0415 - 3 MB, only where used

        self._trusted = ssl.create_default_context()

    async def carry(self, letter: Letter, *, patient: bool = False) -> None:
        """Hand one mail over; when this returns, the server has taken it.

        Raises:
            GiveUp: the server refused this mail for good (5xx), or cannot write to such an address.
            TryAgain: not now. What the server has against us, such as a wrong password, is no
                mail's fault: all wait until somebody has mended it.
        """
        client = self._client()
        try:
            until = await self._sign_in(client)
            async with _step("MAIL FROM", until, letter):
                await _announce(client, letter)
            with _named_faults(letter, for_all=False):
                await self._hand_over(client, letter, patient=patient)
            # The mail is theirs now, whatever comes of the good-bye.
            with suppress(Exception):
                async with asyncio.timeout(_QUIT_SECONDS):
                    await client.quit()
        finally:
            client.close()

    async def _hand_over(self, client: "SMTP", letter: Letter, *, patient: bool) -> None:
        encoding = "utf-8" if letter.needs_smtputf8 else "ascii"
        wait = max(self._timeout, _PATIENT_SECONDS) if patient else self._timeout
        async with asyncio.timeout(wait):
            await client.rcpt(letter.to, encoding=encoding, timeout=wait)
        answer = self._answering.patient if patient else self._answering.at_first
        async with asyncio.timeout(answer):  # with what comes before the mail
            await client.data(letter.content, timeout=answer)

    async def greet(self, sender: str) -> None:
        """Do what a mail needs, up to its sender, and take that back.

        Raises:
            TryAgain: with what is wrong.
        """
        client = self._client()
        try:
            until = await self._sign_in(client)
            async with _step("MAIL FROM", until):
                await client.mail(sender)
                await client.rset()
        finally:
            client.close()

    async def _sign_in(self, client: "SMTP") -> float:
        """Connect and sign in; return until when the server has to have taken the sender."""
        until = asyncio.get_running_loop().time() + self._timeout
        async with _step("", until):
            await client.connect()
        if self.server.starttls:
            async with _step("STARTTLS", until):
                await client.starttls()
        if self.server.user is not None:
            async with _step("AUTH", until):
                await self._authenticate(client, self.server.user)
        return until

    async def _authenticate(self, client: "SMTP", user: str) -> None:
        if self.server.token_file is None:
            await client.login(user, self.server.password or "")
            return
        token = await asyncio.to_thread(read_token, self.server.token_file)
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
        if "xoauth2" not in client.server_auth_methods:
            raise TryAgain("AUTH: the mail server does not offer XOAUTH2", for_all=True)
        await client.auth_xoauth2(user, token)

    async def delete_old(self) -> None:
        """Nothing is kept here."""

    def _client(self) -> "SMTP":
        from aiosmtplib import SMTP  # noqa: PLC0415 - 3 MB, only where used

        if self._trusted is None:
            self.load()
        return SMTP(
            hostname=self.server.host,
            port=self.server.port,
            local_hostname=self.name,
            timeout=self._timeout,
            use_tls=self.server.implicit_tls,
            start_tls=False,  # as a step of its own: what fails is named
            tls_context=self._trusted,
        )


async def _announce(client: "SMTP", letter: Letter) -> None:
    """Say who writes, in the form that the recipient's address needs."""
    from aiosmtplib import SMTPSenderRefused  # noqa: PLC0415 - 3 MB, only where used

    if not letter.needs_smtputf8:
        await client.mail(letter.sender)
        return
    if client.is_ehlo_or_helo_needed:
        await client.ehlo()
    if not client.supports_extension("smtputf8"):
        raise GiveUp("the mail server does not speak SMTPUTF8, which this address needs")
    try:
        options = ["SMTPUTF8", "BODY=8BITMIME"]
        await client.mail(letter.sender, options=options, encoding="utf-8")
    except SMTPSenderRefused as refusal:
        # Perhaps for its form, which the recipient's address asks for: no other mail waits for it.
        said = f"{refusal.code} {refusal.message}"
        raise TryAgain(_without_secrets(said, letter)) from None


@asynccontextmanager
async def _step(name: str, until: float, letter: Letter | None = None) -> AsyncIterator[None]:
    """Do one thing that all mails need, until a moment of the loop's clock; `name` tells faults."""
    with _named_faults(letter, for_all=True, step=name):
        async with asyncio.timeout_at(until):
            yield


@contextmanager
def _named_faults(letter: Letter | None, *, for_all: bool, step: str = "") -> Iterator[None]:
    """Turn what may go wrong into what the outbox understands; `for_all`: whom it concerns."""
    from aiosmtplib import errors  # noqa: PLC0415 - 3 MB, only where used

    def told(said: str) -> str:
        return _without_secrets(f"{step}: {said}" if step else said, letter)

    try:
        yield
    except TimeoutError as fault:
        reason = told("the mail server took too long")
        raise TryAgain(reason, for_all=for_all, slow=not for_all) from fault
    except errors.SMTPResponseException as refusal:
        said = f"{refusal.code} {refusal.message}"
        if step == "AUTH" and (codes := _CODES.match(said)):
            said = codes[0]  # the rest may repeat what we showed, in whatever form
        reason = told(said)
        if refusal.code >= _PERMANENT and not for_all:
            raise GiveUp(reason) from None
        raise TryAgain(reason, for_all=for_all) from None
    except (errors.SMTPException, OSError) as fault:
        raise TryAgain(told(str(fault)), for_all=for_all) from fault


def _without_secrets(said: str, letter: Letter | None) -> str:
    """Return what a server said, in one line for the log and the job, fit to be kept.

    Threat: servers and filters quote the mail that they refuse, and so the link in it.
    """
    if letter is not None:
        said = said.replace(letter.to, "(address)")
    line = " ".join(drop_controls(said).split())
    return _OPAQUE.sub("(...)", _ADDRESS.sub("(address)", line))[:_LONGEST_REASON]
