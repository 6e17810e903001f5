"""JWTs that clients sign: read, bounded, and verified by the keys of their registration.

RFC 8725. The algorithm and the key are those of the registration: `jwk`, `jku`, `x5u` and `x5c` of
a header have no effect.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from keyfob.clients.models import Profile, RegisteredClient
from keyfob.clients.registration import FAPI2_ALGORITHMS
from keyfob.core.encoding import from_base64url
from keyfob.oauth.client_keys import ClientKeys

LEEWAY = 30  # seconds by which a client's clock may be ahead


class ClientJwt(NamedTuple):
    """A JWT whose signature is not checked yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


class Refused(ValueError):
    """A JWT is not valid; the message says why, for the log."""


def read_jwt(text: str, types: Collection[str], longest: int) -> ClientJwt:
    """Read a JWS in compact form (RFC 7515 section 3.1), of one of these types or of none.

    Raises:
        Refused: it is none, or too long; a JWE, of five parts, is none either.
    """
    if len(text) > longest:
        raise Refused("it is too long")
    signed, _, signature = text.rpartition(".")
    header_text, _, payload = signed.partition(".")
    try:
        header = json.loads(from_base64url(header_text))
        claims = json.loads(from_base64url(payload))
        signature_bytes = from_base64url(signature)
    except (ValueError, RecursionError):
        raise Refused("it is no JWS in compact form") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise Refused("its parts are no JSON objects")
    typ = str(header.get("typ", "JWT")).lower().removeprefix("application/")
    if typ != "jwt" and typ not in types:
        raise Refused("typ is of another kind of token")
    if "crit" in header or "b64" in header:  # RFC 7515 section 4.1.11: no extension is supported
        raise Refused("crit names extensions")
    return ClientJwt(header, claims, signed.encode("ascii"), signature_bytes)


async def ensure_signed(keys: ClientKeys, client: RegisteredClient, jwt: ClientJwt) -> None:
    """Check that a key of the client has signed a JWT.

    Raises:
        Refused: none has.
    """
    kid, algorithm = jwt.header.get("kid"), jwt.header.get("alg")
    if not isinstance(kid, str | None) or not isinstance(algorithm, str):
        raise Refused("kid or alg is not a string")
    if client.profile is Profile.FAPI2 and algorithm not in FAPI2_ALGORITHMS:
        raise Refused("alg is not one of the client's profile")
    key = await keys.find(client, kid, algorithm)
    if key is None:
        raise Refused("the client has no such key for this alg")
    if not key.has_signed(algorithm, jwt.signed, jwt.signature):
        raise Refused("the signature is wrong")


def ensure_in_time(claims: Mapping[str, Any], now: int, longest: int) -> None:
    """Check that claims have not expired, end in `longest` seconds, and are not of the future.

    Raises:
        Refused: one of them is not so.
    """
    if not now < second(claims, "exp") <= now + longest + LEEWAY:
        raise Refused(f"exp is past, or more than {longest} seconds ahead")
    for name in ("iat", "nbf"):
        if name in claims and second(claims, name) > now + LEEWAY:
            raise Refused(f"{name} is in the future")


def second(claims: Mapping[str, Any], name: str) -> int:
    """Return a NumericDate (RFC 7519 section 2), which may have a fraction.

    Raises:
        Refused: it is none.
    """
    value: Any = claims.get(name)
    if type(value) not in (int, float) or not abs(value) < 2**40:  # NaN is less than nothing
        raise Refused(f"{name} is no time")
    return int(value)
