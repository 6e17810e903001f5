"""The request of an app, in words."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from keyfob.authority.models import OPENID_SCOPES, Permission
from keyfob.clients.resources import Resources
from keyfob.core.locales import Locale, gettext


class AskedOfApi(NamedTuple):
    """The request of an app at one API, in words; without any, it is to know its user there."""

    name: str
    identifier: str
    words: Sequence[str]


def asked_in_words(
    scope: Sequence[str], audience: Sequence[str], resources: Resources, locale: Locale
) -> tuple[list[str], list[AskedOfApi]]:
    """Return the scopes about the person, by name, and what is asked for at each API.

    Threat: of two APIs with a scope of one name, the words of the harmless one stand for both.
    """
    apis = []
    for api in filter(None, map(resources.find, audience)):
        is_own = resources.names_own(api.identifier)
        words = [
            _own_in_words(name, api.scopes[name])
            if is_own
            else _in_words(api.scopes[name], locale, name)
            for name in scope
            if name in api.scopes
        ]
        apis.append(AskedOfApi(api.name, api.identifier, words))
    return [name for name in scope if name in OPENID_SCOPES], apis


def _own_in_words(permission: str, words: Mapping[str, str]) -> str:
    """Return a right at our own API, whose English words are in the catalogues."""
    is_account = permission == Permission.ACCOUNT_READ
    return gettext("Read your account") if is_account else gettext(words[Locale.ENGLISH])


def _in_words(words: Mapping[str, str], locale: Locale, scope: str) -> str:
    return words.get(locale) or words.get(Locale.ENGLISH) or scope
