"""Handing mails over to an SMTP server (RFC 5321)."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from aiosmtplib import SMTP, SMTPSenderRefused, errors

from keyfob.core.text import drop_controls
from keyfob.mail.message import Letter
from keyfob.mail.server import Server, read_token
from keyfob.outbox.errors import GiveUp, TryAgain

_QUIT_SECONDS = 2.0
_PATIENT_SECONDS = 60.0  # at least, for a recipient whose server was too slow before
_PERMANENT = 500
_LONGEST_REASON = 300
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_CODES = re.compile(r"\d{3}(?: [245]\.\d{1,3}\.\d{1,3})?")  # RFC 3463 section 2
# A token in clear, in quoted-printable or in base64: no word of any language is as long.
_OPAQUE = re.compile(r"[\w+/=%~-]{24,}")


@dataclass(frozen=True)
class Answering:
    """The seconds that a server has for its answer to a complete mail.

    A client that disconnects while the server processes a mail sends that mail twice, so RFC 5321
    section 4.5.3.2.6 allows ten minutes. At first the server gets one minute, since other mails
    wait. So a recipient whose server takes more than a minute may get a mail twice, but one that
    takes ten minutes does not block the service.
    """

    at_first: float = 60.0
    patient: float = 600.0


class SmtpCarrier:
    """Hands over each mail on a connection of its own.

    Until the server has accepted the sender, an error affects all mails. After that it affects only
    this mail, since the recipient's server may be the cause of the answer, or of a missing one.

    Args:
        server: the server.
        timeout: the seconds until the server has accepted the sender, and again for the recipient.
        name: our name in EHLO.
        answering: the time for the answer to the complete mail.
    """

    def __init__(
        self, server: Server, *, timeout: float, name: str, answering: Answering | None = None
    ) -> None:
        self.server = server
        self._timeout = timeout
        self.name = name
        self._answering = answering or Answering()
        # Reading the roots that the system trusts takes 10 ms: not for a server without TLS.
        is_encrypted = server.implicit_tls or server.starttls
        self._trusted = ssl.create_default_context() if is_encrypted else None

    async def carry(self, letter: Letter, *, patient: bool = False) -> None:
        """Hand one mail over; when this returns, the server has accepted it.

        Raises:
            GiveUp: the server refused this mail permanently (5xx), or cannot write to such an
                address.
            TryAgain: it failed for now. If the server refuses us, such as for a wrong password,
                that is not the fault of a single mail: all wait until somebody has repaired it.
        """
        client = self._client()
        try:
            until = await self._sign_in(client)
            async with _step("MAIL FROM", until, letter):
                await _announce(client, letter)
            with _named_faults(letter, for_all=False):
                await self._hand_over(client, letter, patient=patient)
            # The server has accepted the mail, whatever happens to the goodbye.
            with suppress(Exception):
                async with asyncio.timeout(_QUIT_SECONDS):
                    await client.quit()
        finally:
            client.close()

    async def _hand_over(self, client: SMTP, letter: Letter, *, patient: bool) -> None:
        encoding = "utf-8" if letter.needs_smtputf8 else "ascii"
        wait = max(self._timeout, _PATIENT_SECONDS) if patient else self._timeout
        async with asyncio.timeout(wait):
            await client.rcpt(letter.to, encoding=encoding, timeout=wait)
        answer = self._answering.patient if patient else self._answering.at_first
        async with asyncio.timeout(answer):  # includes the steps before the mail
            await client.data(letter.content, timeout=answer)

    async def greet(self, sender: str) -> None:
        """Do the steps of a mail up to its sender, and cancel it.

        Raises:
            TryAgain: a step failed; the message says why.
        """
        client = self._client()
        try:
            until = await self._sign_in(client)
            async with _step("MAIL FROM", until):
                await client.mail(sender)
                await client.rset()
        finally:
            client.close()

    async def _sign_in(self, client: SMTP) -> float:
        """Connect and sign in; return the deadline for the server to accept the sender."""
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

    async def _authenticate(self, client: SMTP, user: str) -> None:
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
        """Do nothing: no copies are kept here."""

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self.server.host,
            port=self.server.port,
            local_hostname=self.name,
            timeout=self._timeout,
            use_tls=self.server.implicit_tls,
            start_tls=False,  # a separate step, so that an error can be attributed to it
            tls_context=self._trusted,
        )


async def _announce(client: SMTP, letter: Letter) -> None:
    """Announce the sender, in the form that the recipient's address needs."""
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
        # The form, which the recipient's address needs, may be the cause: no other mail waits for
        # it.
        said = f"{refusal.code} {refusal.message}"
        raise TryAgain(_without_secrets(said, letter)) from None


@asynccontextmanager
async def _step(name: str, until: float, letter: Letter | None = None) -> AsyncIterator[None]:
    """Run one step that all mails need, until a time of the loop's clock; `name` is for errors."""
    with _named_faults(letter, for_all=True, step=name):
        async with asyncio.timeout_at(until):
            yield


@contextmanager
def _named_faults(letter: Letter | None, *, for_all: bool, step: str = "") -> Iterator[None]:
    """Convert errors to those that the outbox knows; `for_all`: they affect all mails."""

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
            said = codes[0]  # the rest may repeat what we sent, in any form
        reason = told(said)
        if refusal.code >= _PERMANENT and not for_all:
            raise GiveUp(reason) from None
        raise TryAgain(reason, for_all=for_all) from None
    except (errors.SMTPException, OSError) as fault:
        raise TryAgain(told(str(fault)), for_all=for_all) from fault


def _without_secrets(said: str, letter: Letter | None) -> str:
    """Return the server's answer in one line, without secrets, for the log and the job.

    Threat: servers and filters quote a mail that they refuse, including its link.
    """
    if letter is not None:
        said = said.replace(letter.to, "(address)")
    line = " ".join(drop_controls(said).split())
    return _OPAQUE.sub("(...)", _ADDRESS.sub("(address)", line))[:_LONGEST_REASON]
