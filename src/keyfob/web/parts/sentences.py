"""The logs in sentences: who did what to whom, and how a sign-in or a session ended."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from markupsafe import Markup, escape

from keyfob.accounts.models import NOT_KEPT
from keyfob.audit.events import Actor, Event
from keyfob.audit.models import ListedEvent, Party
from keyfob.core.locales import _, gettext
from keyfob.login_log.models import LoggedAttempt, Reason
from keyfob.sessions.models import EndReason
from keyfob.web.parts.lines import CHANGES_OF_USERS, EVENTS, FIELDS, REASONS, VALUES, Words
from keyfob.web.parts.names import name

Link = Callable[[str, UUID], str | None]

_EVENTS = {str(event): event for event in Event}
_SHORT = -12  # of a UUIDv7, the part that is random


class Change(NamedTuple):
    """A value before and after; empty if there was none, or is none any more."""

    field: str
    old: str
    new: str


def tell_event(listed: ListedEvent, link: Link) -> Markup:
    """Return the line of an event of the audit log, for administrators.

    Args:
        listed: the event, with its parties' present names.
        link: gives the path of the page about a party, by its kind ("user", "client", "resource")
            and id; None if there is no such page, or the reader may not see it.
    """
    event = listed.event
    holes = {
        "actor": _actor(listed, link),
        "target": _party(listed.target, event.target_id, link),
        "action": event.action,
        "role": name(event.new_values.get("role") or event.old_values.get("role") or ""),
    }
    return _said(_words(event.action, event.old_values, event.new_values).line, holes)


def event_title(
    action: str, old: Mapping[str, Any] | None = None, new: Mapping[str, Any] | None = None
) -> str:
    """Return what an event is called, such as "Password changed"; the values say it closer."""
    return gettext(_words(action, old or {}, new or {}).title)


def tell_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return the values of an event that people understand; the rest stays in its raw form."""
    return [
        Change(gettext(words), value_in_words(old.get(field)), value_in_words(new.get(field)))
        for field, words in FIELDS.items()
        if old.get(field) != new.get(field)
    ]


def value_in_words(value: object) -> str:
    """Return a value of an event for reading; of a list, its members."""
    if value is None or value == NOT_KEPT:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return gettext(VALUES[text]) if text in VALUES else text


def tell_attempt(attempt: LoggedAttempt, link: Link) -> Markup:
    """Return a line of the login log, for administrators."""
    party = Party("user", attempt.email, attempt.name) if attempt.email or attempt.name else None
    holes = {"user": _party(party, attempt.user_id, link)}
    return _said(REASONS[attempt.reason].line, holes)


def party_in_words(party: Party | None, party_id: UUID) -> Markup:
    """Return the name of somebody; of whoever is gone, the end of the id."""
    return name((party and (party.name or party.email)) or f"…{str(party_id)[_SHORT:]}")


def reason_title(reason: Reason | EndReason) -> str:
    """Return how a sign-in went, or why a session ended, such as "Wrong password"."""
    return gettext(REASONS[Reason(reason)].title)


def _said(line: str, holes: Mapping[str, object]) -> Markup:
    sentence = Markup(gettext(line))  # noqa: S704 - ours; what is put in is escaped
    return sentence % holes


def _words(action: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Words:
    """Return the words of an event; of one that a later release wrote, its name."""
    event = _EVENTS.get(action)
    if event is None or event not in EVENTS:
        return Words(action, "%(actor)s: %(action)s")
    changed = [field for field in ("status", "role", "email", "name") if field in new]
    if event is Event.USER_CHANGED and len(changed) == 1:
        key = str(new["status"]) if changed == ["status"] else changed[0]
        return CHANGES_OF_USERS[key]
    return EVENTS[event]


def _actor(listed: ListedEvent, link: Link) -> Markup:
    if listed.event.actor_id is not None:
        return _party(listed.actor, listed.event.actor_id, link)
    event = _EVENTS.get(listed.event.action)
    by_command = event is not None and event.actor is Actor.COMMAND_LINE
    return escape(_("The command line") if by_command else _("The service"))


def _party(party: Party | None, party_id: UUID | None, link: Link) -> Markup:
    """Name somebody, with a link; who is gone has the end of an id."""
    if party_id is None:
        return name(party.name or party.email or "") if party else escape(_("somebody"))
    shown = party_in_words(party, party_id)
    path = link(party.kind, party_id) if party else None
    return Markup('<a href="{}">{}</a>').format(path, shown) if path else shown
