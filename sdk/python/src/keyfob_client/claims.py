"""The rules for header and claims of an access token (RFC 9068 section 4, RFC 8725)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from keyfob_client.errors import InvalidToken
from keyfob_client.token import AccessToken

# RFC 9068 section 4 allows the second form; media types know no case.
ACCESS_TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
# RFC 9068 section 2.2.
REQUIRED = frozenset({"iss", "exp", "aud", "sub", "client_id", "iat", "jti"})
_ALWAYS = frozenset({"iss", "exp", "aud", "iat"})
_LATEST = 2**53  # of any NumericDate; beyond it no float is exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules that a token has to fulfil.

    Attributes:
        issuer: the `iss`, character by character.
        audience: names of ours, one of which is in `aud`.
        types: the values of `typ` that are believed, in small letters.
        required: the claims that must be there.
        leeway: the seconds by which this machine's clock may be wrong.
        longest: the most characters that a token has.
        longest_life: the most seconds between `iat` and `exp`.
    """

    issuer: str
    audience: frozenset[str]
    types: frozenset[str] = ACCESS_TOKEN_TYPES
    required: frozenset[str] = REQUIRED
    leeway: int = 10
    longest: int = 8192
    longest_life: int = 3600

    def __post_init__(self) -> None:
        if not self.issuer or not self.audience or "" in self.audience:
            raise ValueError("an issuer and an audience are needed")


def check_header(header: Mapping[str, Any], rules: Rules) -> None:
    """Check the type, and that there are no extensions; keys in a header are of no effect.

    Raises:
        InvalidToken: it is of another type (RFC 8725 section 3.11), or names extensions that must
            be understood (RFC 7515 section 4.1.11; none is).
    """
    if str(header.get("typ")).lower() not in rules.types:
        raise InvalidToken("wrong_type")
    if "crit" in header or "b64" in header:
        raise InvalidToken("unknown_extension")


def check_claims(claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """Check issuer, audience and times, and that no claim is missing.

    Threat: whoever had a key of the issuer signs tokens for years, and a revocation of that key is
    forgotten once no token that the issuer gives could be alive.

    Raises:
        InvalidToken: it says which rule is broken.
    """
    if not claims.keys() >= rules.required | _ALWAYS:
        raise InvalidToken("wrong_claims")
    if claims["iss"] != rules.issuer:
        raise InvalidToken("wrong_issuer")
    if rules.audience.isdisjoint(audience_of(claims)):
        raise InvalidToken("wrong_audience")
    if moment(claims, "exp") + rules.leeway <= now:
        raise InvalidToken("expired")
    if max(moment(claims, "iat"), moment(claims, "nbf", 0)) - rules.leeway > now:
        raise InvalidToken("not_yet_valid")
    if moment(claims, "exp") - moment(claims, "iat") > rules.longest_life + rules.leeway:
        raise InvalidToken("lives_too_long")


def read_token(claims: Mapping[str, Any], key_id: str | None) -> AccessToken:
    """Return the claims of a checked token as a value.

    Raises:
        InvalidToken: a claim is of another type than its definition says.
    """
    return AccessToken(
        subject=_text(claims, "sub") or _missing(),
        client_id=_text(claims, "client_id"),
        scope=frozenset((_text(claims, "scope") or "").split()),
        roles=_roles(claims),
        audience=audience_of(claims),
        issued_at=moment(claims, "iat"),
        expires_at=moment(claims, "exp"),
        auth_time=moment(claims, "auth_time") if "auth_time" in claims else None,
        acr=_text(claims, "acr"),
        amr=texts(claims.get("amr", [])),
        token_id=_text(claims, "jti"),
        session_id=_text(claims, "sid"),
        key_id=key_id,
        claims=MappingProxyType(dict(claims)),
    )


def audience_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return `aud`, which is one text or a list of them (RFC 7519 section 4.1.3)."""
    value = claims["aud"]
    return (value,) if isinstance(value, str) else texts(value)


def texts(value: object) -> tuple[str, ...]:
    """Return a list of texts.

    Raises:
        InvalidToken: it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidToken("wrong_claims")
    return tuple(value)


def moment(claims: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """Return a NumericDate, which may have a fraction (RFC 7519 section 2), in whole seconds.

    Raises:
        InvalidToken: it is no time. A truth value, which Python counts as a number, is none.
    """
    value = claims.get(name, default)
    if type(value) not in (int, float) or not 0 <= value < _LATEST:
        raise InvalidToken("wrong_claims")
    return int(value)


def generation(claims: Mapping[str, Any], name: str) -> int:
    """Return a generation of session, user or client; a token without it is of the first, 0.

    Raises:
        InvalidToken: it is no whole number.
    """
    value = claims.get(name, 0)
    if type(value) is not int or value < 0:
        raise InvalidToken("wrong_claims")
    return value


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if not isinstance(value, str | None):
        raise InvalidToken("wrong_claims")
    return value


def _missing() -> str:
    raise InvalidToken("wrong_claims")


def _roles(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return `roles`: texts, or objects with a `value` as in SCIM (RFC 9068 section 2.2.3.1)."""
    listed = claims.get("roles", [])
    if not isinstance(listed, list):
        raise InvalidToken("wrong_claims")
    return frozenset(
        texts([role.get("value") if isinstance(role, dict) else role for role in listed])
    )
