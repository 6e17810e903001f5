"""Each kind of mail: from its record to the outbox, back, and into the reader's language."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.clock import START
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import World

from keyfob.core.locales import Locale
from keyfob.core.secrets import new_id
from keyfob.mail import mails
from keyfob.mail.mails import Content, Moment, moment_in_words
from keyfob.mail.models import QueuedMail, Recipient
from keyfob.mail.words import for_reader
from keyfob.mail.writing import Writer
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox

ADA = "ada@example.com"
TOKEN = "kfl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
LATER = Moment("2026-12-06 12:00 UTC")
WHERE: dict[str, Any] = {"address": "203.0.113.7", "device": "Firefox 140, Linux"}
PLACE = {"en": "London", "ru": "Лондон"}
EVERY: list[Content] = [
    mails.VerifyEmail(token=TOKEN, **WHERE),
    mails.EmailTaken(**WHERE),
    mails.Recover(token=TOKEN, **WHERE),
    mails.Invite(token=TOKEN),
    mails.ChangeEmail(token=TOKEN),
    mails.ChangeEmailTaken(),
    mails.EmailChanged(new_email="b***@example.com", **WHERE),
    mails.PasswordChanged(**WHERE),
    mails.PasswordRecovered(is_first_proof=True, is_kept=False, **WHERE),
    mails.NewSignIn(at=moment_in_words(START), place=PLACE, **WHERE),
    mails.SessionReused(**WHERE),
    mails.FactorAdded(factor="My phone", **WHERE),
    mails.ApiKeyCreated(key="Backup", **WHERE),
    mails.DeviceAllowed(app="Television", place=PLACE, **WHERE),
    mails.FactorRemoved(factor="My phone", **WHERE),
    mails.FactorsReset(),
    mails.RecoveryCodesRenewed(**WHERE),
    mails.RecoveryCodeUsed(codes_left=9, **WHERE),
    mails.ErasurePlanned(erase_at=LATER, **WHERE),
    mails.ErasureCancelled(**WHERE),
    mails.Trial(),
    mails.Erased(),
]
# What an older release wrote into the outbox, as it stood there.
TO = {"address": ADA, "locale": "ru-RU", "name": "Ада", "proven": True}
OLDER: dict[str, tuple[str, dict[str, Any], str]] = {
    "a link that somebody asked for": (
        "mail",
        {
            "to": TO,
            "template": "recover",
            "params": {"at": "2026-11-01 12:00 UTC", "token": TOKEN, **WHERE},
            "expires_at": "2026-11-01 12:30 UTC",
        },
        TOKEN,
    ),
    "a link that an administrator sent, from nowhere": (
        "mail",
        {
            "to": {**TO, "proven": False},
            "template": "recover",
            "params": {"at": "2026-11-01 12:00 UTC", "token": TOKEN},
            "expires_at": "2026-11-01 12:30 UTC",
        },
        TOKEN,
    ),
    "a notice with a place": (
        "notice",
        {
            "to": TO,
            "template": "new_sign_in",
            "params": {"at": "2026-11-01 12:00 UTC", **WHERE, "place": PLACE},
            "expires_at": None,
        },
        "примерно Лондон",
    ),
    "the last notice of its sort": (
        "mail",
        {
            "to": TO,
            "template": "erasure_planned",
            "params": {"at": "2026-11-01 12:00 UTC", "erase_at": LATER, **WHERE},
            "expires_at": None,
            "silent_until": "2026-11-01 13:00 UTC",
        },
        "2026-11-01 13:00 UTC",
    ),
    "of a release that did not say whether the address is proven": (
        "mail",
        {
            "to": {"address": ADA, "locale": "ru", "name": None},
            "template": "erased",
            "params": {"at": "2026-11-01 12:00 UTC"},
            "expires_at": None,
        },
        "удалена",
    ),
}


def read_back(mail: QueuedMail, kind: str = "mail") -> QueuedMail:
    async def finish(_: Any) -> None: ...

    payload = json.loads(json.dumps(mail.payload()))
    job = Job(new_id(START), kind, payload, mail.to.user_id, 1, False, START, None, finish)
    return QueuedMail.read(job)


def test_every_kind_is_here_and_in_the_documentation() -> None:
    assert {content.template: type(content) for content in EVERY} == mails.KINDS
    told = Path("docs/mail.md").read_text(encoding="utf-8")
    assert [template for template in mails.KINDS if f"`{template}`" not in told] == []


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("content", EVERY, ids=lambda content: content.template)
def test_each_kind_is_read_from_the_outbox_as_it_was_written_and_tells_all(
    content: Content, locale: Locale
) -> None:
    to = Recipient(ADA, locale, new_id(START), "Ada", proven=True)
    queued = QueuedMail(to=to, content=content, expires_at=LATER)
    read = read_back(queued)
    told = for_reader(read.told(), proven=True)
    written = Writer("https://login.example.com", "Keyfob").write(content.template, locale, told)

    assert read == queued
    own = {field.name for field in fields(content)} - {
        "at",
        "is_first_proof",
        "is_kept",
        "ends_keys",
        "place",
    }
    for name in own:
        assert str(told[name]) in written.text
    if told.get("place"):
        assert PLACE[locale] in written.text
    assert "Ada" in written.text
    assert (written.link is not None) is (content.page is not None)


@pytest.mark.parametrize(
    ("kind", "payload", "said"), OLDER.values(), ids=[name.replace(" ", "_") for name in OLDER]
)
async def test_a_job_that_an_older_release_wrote_is_sent(
    world: World, mailbox: Mailbox, kind: str, payload: dict[str, Any], said: str
) -> None:
    user_id = await world.make_user(ADA)
    async with world.db.begin() as tx:
        await world.service(Outbox).add(tx, kind, payload, user_id=user_id)

    mail = await mailbox.next(ADA)

    assert said in " ".join(mail.text.split())
    assert mail.message["Content-Language"] == "ru"
    assert ("Ада" in mail.text) is bool(payload["to"].get("proven"))


async def test_what_an_older_release_asked_for_is_done(world: World, mailbox: Mailbox) -> None:
    await world.make_user(ADA)
    await world.db.execute("UPDATE users SET email_verified_at = NULL")
    async with world.db.begin() as tx:
        asked = {"email": ADA, "where": WHERE}
        await world.service(Outbox).add(tx, "recover.request", asked)
        await world.service(Outbox).add(tx, "verify.request", asked)

    for subject in ("Choose a new password", "Confirm your e-mail address"):
        mail = await mailbox.next(ADA, subject=subject)
        assert "203.0.113.7" in mail.text


def test_what_a_mail_needs_cannot_be_forgotten() -> None:
    with pytest.raises(TypeError, match="token"):
        mails.Invite()  # type: ignore[call-arg] # forgotten
