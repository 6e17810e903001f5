"""Handing a mail to a server that takes it, or refuses it."""

import base64
import quopri
from urllib.parse import quote

import pytest
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.mailbox import Mailbox, serving
from tests.fixtures.world import World
from tests.mail.carrying import SENDER, Refusing, carrier, letter, refusal

from keyfob.core.secrets import new_id
from keyfob.mail.message import compose
from keyfob.mail.models import Recipient
from keyfob.mail.writing import Written
from keyfob.outbox.errors import GiveUp
from keyfob.settings import Settings


@pytest.mark.parametrize("at", ["rcpt", "data"])
async def test_what_is_refused_for_good_is_given_up(at: str) -> None:
    said = "550 5.1.1 <ada@example.com>: no such user; ask root@mx.example.com"
    async with serving(Refusing(**{at: said})) as port:
        with pytest.raises(GiveUp) as raised:
            await carrier(f"smtp://127.0.0.1:{port}").carry(letter())

    assert raised.value.reason == "550 5.1.1 <(address)>: no such user; ask (address)"


@pytest.mark.parametrize("at", ["rcpt", "data"])
async def test_what_is_refused_for_now_is_tried_again(at: str) -> None:
    async with serving(Refusing(**{at: "451 4.7.1 come back later"})) as port:
        refused = await refusal(f"smtp://127.0.0.1:{port}")

    assert (refused.reason, refused.for_all) == ("451 4.7.1 come back later", False)


@pytest.mark.parametrize("said", ["421 4.3.2 shutting down", "550 5.7.1 not from you"])
async def test_what_is_held_against_the_sender_stops_all(said: str) -> None:
    async with serving(Refusing(mail=said)) as port:
        refused = await refusal(f"smtp://127.0.0.1:{port}")

    assert (refused.reason, refused.for_all) == (f"MAIL FROM: {said}", True)


@pytest.mark.parametrize("at", ["rcpt", "data"])
async def test_a_recipient_s_server_that_is_closing_stops_no_other_mail(at: str) -> None:
    """Threat: a relay that forwards such answers would otherwise be taken for down itself."""
    async with serving(Refusing(**{at: "421 4.7.0 too many errors"})) as port:
        refused = await refusal(f"smtp://127.0.0.1:{port}")

    assert (refused.reason, refused.for_all) == ("421 4.7.0 too many errors", False)


@pytest.mark.parametrize("said", ["451 4.3.0 later", "555 5.5.4 SMTPUTF8 not here"])
async def test_a_form_that_one_address_needs_stops_no_other_mail(said: str) -> None:
    async with serving(Refusing(mail=said)) as port:
        refused = await refusal(f"smtp://127.0.0.1:{port}", to="ада@example.com")

    assert (refused.reason, refused.for_all) == (said, False)


async def test_a_domain_beyond_ascii_goes_in_its_ascii_form() -> None:
    box = Mailbox()
    async with serving(box) as port:
        await carrier(f"smtp://127.0.0.1:{port}").carry(letter("ada@bücher.example"))

    assert [mail.to for mail in box.mails] == ["ada@xn--bcher-kva.example"]
    assert box.mails[0].message["To"] == "ada@xn--bcher-kva.example"


async def test_a_local_part_beyond_ascii_needs_a_server_that_speaks_smtputf8() -> None:
    box = Mailbox()
    async with serving(box) as port:
        await carrier(f"smtp://127.0.0.1:{port}").carry(letter("ада@example.com"))
    assert [mail.to for mail in box.mails] == ["ада@example.com"]

    async with serving(box, enable_SMTPUTF8=False) as port:
        with pytest.raises(GiveUp, match="does not speak SMTPUTF8"):
            await carrier(f"smtp://127.0.0.1:{port}").carry(letter("ада@example.com"))
    assert len(box.mails) == 1


async def test_lines_that_begin_with_a_dot_arrive() -> None:
    box = Mailbox()
    dotted = Written("Dots", ".\n..\n.three\n", "<p>.</p>\n", None)
    async with serving(box) as port:
        await carrier(f"smtp://127.0.0.1:{port}").carry(
            compose(new_id(START), START, SENDER, Recipient("ada@example.com"), dotted)
        )

    assert box.mails[0].text == dotted.text


async def test_a_mail_goes_out_from_a_host_in_another_alphabet(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    """The name in EHLO is ASCII (RFC 5321 section 4.1.1.1), and so is the link's host."""
    told = settings.model_copy(update={"public_url": "https://вход.example/auth"})
    async with World(told, clock) as world:
        await world.make_user()
        await world.api.post("/recover/request", json={"email": "ada@example.com"})
        mail = await mailbox.next(to="ada@example.com")

    assert "https://xn--b1ae3a1a.example/auth/ui/recover" in mail.text


TOKEN = "kfl_" + "Ab-_0" * 9
LINK = f"https://login.example.org/auth/ui/recover#token={TOKEN}"


@pytest.mark.parametrize(
    "quoted",
    [
        LINK,
        quopri.encodestring(LINK.encode()).decode().replace("=\n", "= "),
        base64.b64encode(LINK.encode()).decode(),
        quote(LINK, safe=""),
    ],
    ids=["plain", "quoted-printable", "base64", "percent"],
)
async def test_a_link_that_a_refusal_quotes_is_not_kept(quoted: str) -> None:
    said = f"554 5.7.1 blocked: {quoted} see https://mx.example.com/help?reason=links"
    async with serving(Refusing(data=said)) as port:
        with pytest.raises(GiveUp) as raised:
            await carrier(f"smtp://127.0.0.1:{port}").carry(letter())

    reason = raised.value.reason
    assert reason.startswith("554 5.7.1 blocked: ")
    assert reason.endswith(" see https://mx.example.com/help?reason=links")
    assert "Ab-_0" not in reason
    assert quoted[-20:] not in reason
