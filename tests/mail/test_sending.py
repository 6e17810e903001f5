"""Mails over real SMTP."""

from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import World
from tests.mail.conftest import TOKEN, Send


async def test_a_mail_arrives_with_its_link(world: World, mailbox: Mailbox, send: Send) -> None:
    await send(address="203.0.113.7", device="Firefox on Linux")

    mail = await mailbox.next("ada@example.com", subject="Choose a new password")

    assert mail.sender == "keyfob@localhost"
    assert mail.tokens() == [TOKEN]
    assert mail.links() == [f"http://localhost:8000/auth/ui/recover#token={TOKEN}"]
    assert "203.0.113.7" in mail.text
    assert mail.links()[0] in mail.html
    await mailbox.none(world)
