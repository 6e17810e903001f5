"""Signed requests of apps, by value in `request` (RFC 9101)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from keyfob.clients.models import RegisteredClient
from keyfob.core.clock import Clock
from keyfob.core.forms import Form
from keyfob.oauth.client_jwts import Refused, ensure_in_time, ensure_signed, read_jwt, second
from keyfob.oauth.client_keys import ClientKeys
from keyfob.oauth.errors import InvalidRequestObject

log = structlog.get_logger("keyfob.oauth")

_TYPES = frozenset({"oauth-authz-req+jwt"})
_LONGEST = 16_384
_LONGEST_LIFE = 3600
_OF_THE_JWT = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
# Threat: one that is a client assertion, too (`sub`), or that has another within itself.
_NEVER_INSIDE = frozenset({"sub", "request", "request_uri"})
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class RequestObjects:
    """Opens requests that clients have signed by the keys of their registration."""

    keys: ClientKeys
    clock: Clock
    issuer: str

    async def open(self, client: RegisteredClient, form: Form) -> Form:
        """Return the parameters of a request: those that were signed alone, if any were.

        Beside them only `response_type` counts, and that only if it was not signed (RFC 9101
        section 6.3, OpenID Connect Core section 6.1).

        Raises:
            InvalidRequestObject: it is not valid; the log says why.
        """
        text = form.get("request")
        if text is None:
            return form
        try:
            jwt = read_jwt(text, _TYPES, _LONGEST)
            self._check_claims(jwt.claims, client)
            await ensure_signed(self.keys, client, jwt)
            return _opened(jwt.claims, form)
        except Refused as refused:
            log.info("request_object_refused", client_id=str(client.id), reason=str(refused))
            raise InvalidRequestObject from None

    def _check_claims(self, claims: Mapping[str, Any], client: RegisteredClient) -> None:
        now, named = self.clock.timestamp(), client.client_id
        if claims.get("iss") != named or claims.get("client_id", named) != named:
            raise Refused("iss or client_id is not the client")
        audience = claims.get("aud")
        if self.issuer not in (audience if isinstance(audience, list) else [audience]):
            raise Refused("aud is not the issuer")
        ensure_in_time(claims, now, _LONGEST_LIFE)
        if "nbf" in claims and second(claims, "nbf") < now - _LONGEST_LIFE:
            raise Refused("nbf is too long ago")
        if not _NEVER_INSIDE.isdisjoint(claims):
            raise Refused("it has sub, request or request_uri")


def _opened(claims: Mapping[str, Any], form: Form) -> Form:
    outside = form.list_all("response_type")
    inside = {name: _texts(name, claims[name]) for name in claims if name not in _OF_THE_JWT}
    if outside and inside.setdefault("response_type", outside) != outside:
        raise Refused("response_type differs outside")
    return Form({name: values for name, values in inside.items() if any(values)})


def _texts(name: str, value: Any) -> tuple[str, ...]:
    """Return a parameter as a form would have it; numbers and objects as JSON (section 4)."""
    given = value if name == "resource" and isinstance(value, list) else [value]
    texts = tuple(one if isinstance(one, str) else json.dumps(one) for one in given)
    for text in (name, *texts):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Refused("a parameter is no text") from None
        if _CONTROLS.search(text):
            raise Refused("a parameter has control characters")
    return texts
