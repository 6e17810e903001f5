"""The request of an app, in words."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from keyfob.authority.models import OPENID_SCOPES
from keyfob.clients.resources import Resources
from keyfob.core.locales import Locale


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
        words = [_in_words(name, api.scopes[name], locale) for name in scope if name in api.scopes]
        apis.append(AskedOfApi(api.name, api.identifier, words))
    return [name for name in scope if name in OPENID_SCOPES], apis


def _in_words(scope: str, words: Mapping[str, str], locale: Locale) -> str:
    return words.get(locale) or words.get(Locale.ENGLISH) or scope
