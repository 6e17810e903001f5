"""A document of the feed: a signed JWT that says what was revoked after a position."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from keyfob_client.claims import Rules, check_claims, moment
from keyfob_client.errors import InvalidToken
from keyfob_client.judging import id_of_token, verify_signature
from keyfob_client.keys import KeySet

_TYPES = frozenset({"revocations+jwt"})
_REQUIRED = frozenset({"position", "entries", "more"})
_LONGEST = 2 * 1024 * 1024  # characters; 5,000 entries have less than one million
_LONGEST_POSITION = 1024
EVERY_GENERATION = 2**31 - 1


class Entry(NamedTuple):
    """A revocation: all tokens that rest on this id, up to this generation, until then."""

    of: str
    generation: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The word of the feed at one time.

    Attributes:
        issued_at: the second at which the issuer looked, or an earlier one.
        after: the position that the entries follow; None if they are all that there are.
        position: what to ask with next.
        entries: what is revoked.
        kids: keys that are not to be trusted any more.
        more: whether further entries are there already.
    """

    issued_at: int
    after: str | None
    position: str
    entries: tuple[Entry, ...]
    kids: frozenset[str]
    more: bool


def rules_of_feed(issuer: str, address: str, *, leeway: int) -> Rules:
    """Return what a document has to fulfil; its audience is the address of the feed."""
    return Rules(
        issuer=issuer,
        audience=frozenset({address}),
        types=_TYPES,
        required=_REQUIRED,
        leeway=leeway,
        longest=_LONGEST,
    )


def read_document(text: str, keys: KeySet, rules: Rules, now: float) -> Document:
    """Check a document and read it; entries of a form that is not known are left out.

    Raises:
        InvalidToken: it is not signed by the issuer, has expired, or is no document of the feed.
        UnknownKey: its key is not in the key set.
    """
    claims, _ = verify_signature(text, keys, rules)
    check_claims(claims, rules, now)
    after, is_complete = claims.get("after"), claims.get("complete") is True
    listed, position, more = claims["entries"], claims["position"], claims["more"]
    if not isinstance(listed, list) or type(more) is not bool:
        raise InvalidToken("wrong_claims")
    if is_complete is isinstance(after, str) or not _is_position(position):
        raise InvalidToken("wrong_claims")
    mappings = [entry for entry in listed if isinstance(entry, dict)]
    return Document(
        issued_at=moment(claims, "iat"),
        after=after,
        position=position,
        entries=tuple(entry for one in mappings if (entry := _read(one))),
        kids=frozenset(kid for one in mappings if isinstance(kid := one.get("kid"), str)),
        more=more,
    )


def _is_position(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_POSITION and value.isascii()


def _read(entry: Mapping[str, Any]) -> Entry | None:
    until = entry.get("exp")
    if type(until) is not int:
        return None
    for of, generation in (("sid", "gen"), ("sub", "sub_gen"), ("client_id", "client_gen")):
        if isinstance(entry.get(of), str) and type(entry.get(generation)) is int:
            return Entry(entry[of], entry[generation], until)
    if isinstance(entry.get("jti"), str):
        return Entry(id_of_token(entry["jti"]), EVERY_GENERATION, until)
    return None
