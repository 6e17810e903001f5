"""The request of an app, in words."""

from collections.abc import Sequence

from keyfob.authority.models import OPENID_SCOPES
from keyfob.clients.resources import Resources
from keyfob.core.locales import Locale


def asked_in_words(
    scope: Sequence[str], audience: Sequence[str], resources: Resources, locale: Locale
) -> tuple[list[str], list[str]]:
    """Return the scopes about the person, by name, and those of APIs, in words."""
    known = [resources.find(name) for name in audience]
    offered = {name: words for one in known if one for name, words in one.scopes.items()}
    further = [name for name in scope if name not in OPENID_SCOPES]
    return [name for name in scope if name in OPENID_SCOPES], [
        offered.get(name, {}).get(locale) or offered.get(name, {}).get("en") or name
        for name in further
    ]
