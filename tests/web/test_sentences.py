"""The words of logs, names and refusals, in each language."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from keyfob.accounts.models import NOT_KEPT
from keyfob.administration.told_clients import difference, told
from keyfob.audit.events import Event
from keyfob.audit.models import AuditEvent, ListedEvent, Party
from keyfob.clients.models import AuthMethod, ClientKind, RegisteredClient
from keyfob.core.locales import Locale, speaking
from keyfob.login_log.models import LoggedAttempt, Outcome, Reason
from keyfob.sessions.models import EndReason
from keyfob.web.parts.lines import EVENTS, FIELDS, REASONS
from keyfob.web.parts.names import name
from keyfob.web.parts.refusals import REFUSALS, refusal, weakness
from keyfob.web.parts.sentences import (
    Change,
    event_title,
    reason_title,
    tell_attempt,
    tell_changes,
    tell_event,
)

ADA, BOB = UUID(int=0xADA), UUID(int=0xB0B)
AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def event(action: str, *, actor: UUID | None = ADA, **values: Any) -> ListedEvent:
    """Return an event that Ada caused to Bob."""
    old, new = values.get("old", {}), values.get("new", {})
    stored = AuditEvent(1, ADA, AT, action, actor, BOB, old, new, None, b"")
    ada = Party("user", "ada@example.com", "Ada <b>") if actor else None
    return ListedEvent(stored, ada, Party("user", "bob@example.com", None))


def attempt(reason: Reason) -> LoggedAttempt:
    return LoggedAttempt(
        id=BOB,
        at=AT,
        outcome=Outcome.REFUSED,
        reason=reason,
        user_id=BOB,
        email="bob@example.com",
        name="Bob",
        ip_address=None,
        device_type="unknown",
        browser=None,
        os=None,
        platform=None,
        session_id=None,
    )


def link(kind: str, party_id: UUID) -> str | None:
    return f"/console/{kind}s/{party_id}" if party_id == BOB else None


def is_russian(said: str) -> bool:
    return re.search("[\u0430-\u044f]", said) is not None


def codes_in_the_docs() -> set[str]:
    page = Path("docs/problems.md").read_text(encoding="utf-8").partition("## Of OAuth")[0]
    return set(re.findall(r"^\| `(\w+)` \| \d+ \|", page, re.MULTILINE))


def test_every_problem_has_its_sentence() -> None:
    assert set(REFUSALS) == codes_in_the_docs()


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_a_refusal_says_what_to_do(code: str, locale: Locale) -> None:
    with speaking(locale):
        said = refusal(code)

    assert (
        re.search(r"[\u0430-\u044f]", said) if locale is Locale.RUSSIAN else said == REFUSALS[code]
    )
    assert said.endswith(".")


def test_a_code_of_a_later_release_is_a_fault_of_ours() -> None:
    assert refusal("of_tomorrow") == REFUSALS["internal_error"]
    assert weakness("common").startswith("This password is among those")


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("action", Event)
def test_every_event_has_its_line(action: Event, locale: Locale) -> None:
    with speaking(locale):
        line, title = tell_event(event(action), link), event_title(action)

    holes = set(re.findall(r"%\((\w+)\)s", EVENTS[action].line))
    assert holes <= {"actor", "target", "role"}
    assert ("<bdi>Ada &lt;b&gt;</bdi>" in line) == ("actor" in holes)
    bob = f'<a href="/console/users/{BOB}"><bdi>bob@example.com</bdi></a>'
    assert (bob in line) == ("target" in holes)
    if locale is Locale.RUSSIAN:
        assert is_russian(line)
        assert is_russian(title)


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_line(reason: Reason, locale: Locale) -> None:
    with speaking(locale):
        line, title = tell_attempt(attempt(reason), link), reason_title(reason)

    assert f'<a href="/console/users/{BOB}"><bdi>Bob</bdi></a>' in line
    if locale is Locale.RUSSIAN:
        assert is_russian(line)
        assert is_russian(title)


@pytest.mark.parametrize("reason", EndReason)
def test_every_end_of_a_session_has_its_words(reason: EndReason) -> None:
    assert reason_title(reason) == REASONS[Reason(reason.value)].title


@pytest.mark.parametrize(
    ("new", "line"),
    [
        ({"status": "blocked"}, "ADA blocked BOB"),
        ({"status": "active"}, "ADA unblocked BOB"),
        ({"role": "admin"}, "ADA changed the role of BOB"),
        ({"email": "b***@example.com"}, "ADA changed the e-mail address of BOB"),
        ({"name": NOT_KEPT}, "ADA changed the name of BOB"),
        ({"name": NOT_KEPT, "role": "admin"}, "ADA changed the account BOB"),
    ],
)
def test_a_change_of_one_thing_is_named(new: dict[str, Any], line: str) -> None:
    said = tell_event(event(Event.USER_CHANGED, new=new), lambda *_: None)

    said = said.replace("<bdi>Ada &lt;b&gt;</bdi>", "ADA")
    assert said.replace("<bdi>bob@example.com</bdi>", "BOB") == line


def test_who_is_gone_has_the_end_of_an_id_and_nobody_is_the_service() -> None:
    gone = event(Event.USER_DELETED, actor=None)._replace(target=None)

    assert tell_event(gone, link) == "The service removed the account <bdi>…000000000b0b</bdi>"
    by_command = event(Event.USER_VOUCHED_FOR, actor=None)
    assert tell_event(by_command, link).startswith("The command line vouched for")
    unknown = attempt(Reason.UNKNOWN_EMAIL)._replace(user_id=None, name=None, email=None)
    assert tell_attempt(unknown, link).endswith("unknown e-mail address: somebody")


def test_an_event_of_a_later_release_is_shown_by_its_name() -> None:
    assert tell_event(event("user.100%"), link).endswith("</bdi>: user.100%")
    assert event_title("user.100%") == "user.100%"


def test_values_are_shown_as_old_and_new() -> None:
    old = {"role": "user", "name": NOT_KEPT, "id": "1", "scope": ["a"], "disabled": False}
    new = {"role": "admin", "name": NOT_KEPT, "id": "2", "scope": ["a", "b"], "disabled": True}

    assert tell_changes(old, new) == [
        Change("Disabled", "no", "yes"),
        Change("Role", "user", "administrator"),
        Change("Scope", "a", "a, b"),
    ]
    assert tell_changes({}, {"expires_at": None, "role": "auditor"}) == [
        Change("Role", "", "auditor")
    ]
    assert len(FIELDS) > 10


def test_every_change_of_a_client_is_shown_and_folded_with_no_other() -> None:
    """Threat: an app's places to return to are changed, and the line looks like any other."""
    before = RegisteredClient(
        id=UUID(int=0),
        name="Ledger",
        kind=ClientKind.WEB,
        grants=(),
        scope=(),
        resources=(),
        auth_method=AuthMethod.BASIC,
        jwks=None,
        jwks_uri=None,
        access_token_ttl=300,
        generation=0,
        created_at=AT,
        updated_at=AT,
        disabled_at=None,
        redirect_uris=("https://a.example.com/callback",),
    )
    after = before._replace(redirect_uris=("https://evil.example.com/callback",))

    assert told(before).keys() <= FIELDS.keys()
    assert tell_changes(*difference(before, after)) == [
        Change("Where people return to", *map(str, (*before.redirect_uris, *after.redirect_uris)))
    ]
    assert tell_changes({}, {"by_app": "7"}) == [Change("Done by the app", "", "7")]


def test_a_name_is_isolated_and_hides_nothing() -> None:
    assert name("<b>") == "<bdi>&lt;b&gt;</bdi>"
    assert name("\u202egnp.exe\u200b") == (
        '<bdi><span class="mark">U+202E</span>gnp.exe<span class="mark">U+200B</span></bdi>'
    )
    assert name("a\u200d") == "<bdi>a\u200d</bdi>"
