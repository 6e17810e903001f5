"""Proofs that a caller holds the key that its token is bound to (DPoP, RFC 9449).

verifier = Verifier(..., check_proof=ProofCheck("https://orders.example.com"))
"""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from keyfob_client.errors import InvalidToken
from keyfob_client.keys import read_key_set
from keyfob_client.reading import from_base64url, read_object, to_base64url
from keyfob_client.token import AccessToken

ALGORITHMS = ("EdDSA", "Ed25519", "ES256", "PS256")
_MEMBERS = {"OKP": ("crv", "kty", "x"), "EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}
_FOREIGN = frozenset({"jku", "x5u", "x5c", "crit", "b64"})
_LONGEST = 4096
_LONGEST_ID = 255
_PORTS = {"https": 443, "http": 80}


class Shown(NamedTuple):
    """A request as a proof is for it: its method, its URL, and its headers of these names."""

    method: str
    url: str
    authorization: str
    proofs: Sequence[str]


class Seen(Protocol):
    """Remembers proofs that have counted."""

    def is_new(self, name: str, until: float) -> bool:
        """Remember a name until a time, in seconds since 1970; False if it is remembered already.

        Of two calls at once with the same name, one alone gets True.
        """


class SeenHere:
    """Remembers proofs in this process, at most so many.

    None is forgotten while it counts. Threat: a caller with a token of its own has a proof of
    somebody else forgotten, and shows it. Nor does a key have more of them than there are places
    free, so that others find one. Threat: proofs of one key leave no place for those of others.
    """

    def __init__(self, most: int = 100_000, clock: Callable[[], float] = time.time) -> None:
        self._most = most
        self._clock = clock
        self._until: dict[str, float] = {}
        self._held: Counter[str] = Counter()  # how many there are of each key
        self._writing = threading.Lock()

    def is_new(self, name: str, until: float) -> bool:
        """Remember a name, the thumbprint of a key, a space, and an id; see `Seen`."""
        with self._writing:
            if self._until.get(name, 0) > self._clock():
                return False
            self._forget(name)
            while self._until and self._until[oldest := next(iter(self._until))] <= self._clock():
                self._forget(oldest)
            key = name.partition(" ")[0]
            if self._held[key] >= self._most - len(self._until):
                return False
            self._held[key] += 1
            self._until[name] = until
            return True

    def _forget(self, name: str) -> None:
        if self._until.pop(name, None) is None:
            return
        key = name.partition(" ")[0]
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]


class ProofCheck:
    """Tells whether a bound token comes with its proof: what a verifier's `check_proof` is.

    Args:
        origin: scheme, host and port of this service as callers know them. Threat: what a request
            says of itself in `Host` is what its sender likes.
        seen: remembers proofs, so that each counts once; by default those of this process. Several
            processes need one store for all.
        max_age: the seconds for which a proof is good.
        leeway: the seconds by which the caller's clock may be ahead.
        clock: returns the seconds since 1970.
    """

    def __init__(
        self,
        origin: str,
        *,
        seen: Seen | None = None,
        max_age: int = 60,
        leeway: int = 10,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._origin = origin.rstrip("/")
        self._seen = SeenHere(clock=clock) if seen is None else seen
        self._max_age = max_age
        self._leeway = leeway
        self._clock = clock
        if urlsplit(origin).path.strip("/") or _plain(origin) is None:
            raise ValueError("the origin is scheme, host and port, and no path")

    def __call__(self, token: AccessToken, presented: Any) -> bool:
        """Tell whether the request that shows a token proves its key.

        Args:
            token: the token.
            presented: a `Shown`, or what the modules for frameworks hand over: an ASGI scope, a
                WSGI environ, or a request of FastAPI, Starlette or Django.
        """
        shown = self._shown(presented)
        if shown is None or len(shown.proofs) != 1:
            return False
        try:
            return self._is_proven(token, shown)
        except (InvalidToken, ValueError, TypeError, KeyError):
            return False

    def _is_proven(self, token: AccessToken, shown: Shown) -> bool:
        scheme, _, text = shown.authorization.strip().partition(" ")
        jkt, now = token.claims["cnf"]["jkt"], self._clock()
        claims = _read(shown.proofs[0], jkt)
        digest = hashlib.sha256(text.strip().encode()).digest()
        fits = (
            scheme.lower() == "dpop",
            token.claims["cnf"] == {"jkt": jkt},
            claims.get("htm") == shown.method,
            _is_same(claims.get("htu"), shown.url),
            claims.get("ath") == to_base64url(digest),
            _is_id(claims.get("jti")),
            _is_time(claims.get("iat"), now - self._max_age, now + self._leeway),
        )
        if not all(fits):
            return False
        until = now + self._max_age + self._leeway
        return self._seen.is_new(f"{jkt} {claims['jti']}", until)

    def _shown(self, presented: Any) -> Shown | None:
        if isinstance(presented, Shown):
            return presented
        presented = getattr(presented, "scope", getattr(presented, "META", presented))
        if not isinstance(presented, Mapping):
            return None
        if "REQUEST_METHOD" in presented:
            return self._of_wsgi(presented)
        if presented.get("type") == "http":
            return self._of_asgi(presented)
        return None

    def _of_asgi(self, scope: Mapping[str, Any]) -> Shown:
        def given(name: bytes) -> list[str]:
            return [value.decode("latin-1") for named, value in scope["headers"] if named == name]

        url = self._origin + quote(scope["path"])
        return Shown(scope["method"], url, " ".join(given(b"authorization")), given(b"dpop"))

    def _of_wsgi(self, environ: Mapping[str, Any]) -> Shown:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        url = self._origin + quote(path.encode("latin-1"))
        proofs = [environ["HTTP_DPOP"]] if "HTTP_DPOP" in environ else []
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        return Shown(environ["REQUEST_METHOD"], url, authorization, proofs)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a public key (RFC 7638).

    Raises:
        KeyError: it is of no kind that is known here, or a member is missing.
    """
    members = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
    text = ",".join(f'"{name}":"{value}"' for name, value in members.items())
    return to_base64url(hashlib.sha256(f"{{{text}}}".encode()).digest())


def _read(text: str, jkt: str) -> dict[str, Any]:
    """Return the claims of a proof that the key with this thumbprint has signed.

    The key comes first. Threat: one that takes long to verify with, of anybody's making.
    """
    if len(text) > _LONGEST:
        raise ValueError("too long")
    signed, _, signature = text.rpartition(".")
    head, _, payload = signed.partition(".")
    header, claims = read_object(from_base64url(head)), read_object(from_base64url(payload))
    jwk, algorithm = header.get("jwk"), header.get("alg")
    is_proof = header.get("typ") == "dpop+jwt" and not _FOREIGN & header.keys()
    if not is_proof or algorithm not in ALGORITHMS or not isinstance(jwk, dict):
        raise ValueError("no proof")
    if thumbprint(jwk) != jkt:
        raise ValueError("another key")
    # It leaves out private and weak keys, and those for anything but signatures.
    key = read_key_set({"keys": [jwk]}).find(jwk.get("kid"), algorithm)
    if not key.has_signed(signed.encode("ascii"), from_base64url(signature)):
        raise ValueError("not signed")
    return claims


def _is_id(jti: object) -> bool:
    return isinstance(jti, str) and 0 < len(jti) <= _LONGEST_ID


def _is_time(iat: object, first: float, last: float) -> bool:
    return type(iat) in (int, float) and first <= iat <= last  # type: ignore[operator] # a number


def _is_same(htu: object, url: str) -> bool:
    """Tell whether an `htu` is a URL, whatever its query and fragment (RFC 9449 section 4.3)."""
    return isinstance(htu, str) and _plain(htu) == _plain(url) is not None


def _plain(url: str) -> str | None:
    if not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    port = parts.port or _PORTS[parts.scheme]
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path or '/'}"
