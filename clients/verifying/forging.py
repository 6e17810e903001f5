"""An issuer with a key of ours, so that any token can be made that a verifier has to refuse.

Its key set has keys of other algorithms, too, as while `KEYFOB_SIGNING_ALGORITHM` changes.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

KEY = ec.generate_private_key(ec.SECP256R1())
KID = "a-key-of-the-tests"


def _key_set() -> bytes:
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    rsa_key = rsa.generate_private_key(65537, 2048).public_key()
    keys = {
        "EdDSA": OKPAlgorithm.to_jwk(edwards, as_dict=True),
        "ES256": ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True),
        "RS256": RSAAlgorithm.to_jwk(rsa_key, as_dict=True),
    }
    for name, jwk in keys.items():
        jwk.pop("key_ops", None)
        jwk |= {"kid": KID if name == "ES256" else f"of-{name}", "use": "sig", "alg": name}
    return json.dumps({"keys": list(keys.values())}).encode()


class _Keys(BaseHTTPRequestHandler):
    body = _key_set()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def issuer() -> Iterator[str]:
    """Serve the key set, and give the issuer."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Keys) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/auth"
        server.shutdown()


def good(issuer: str) -> str:
    """Return a token that is to be believed: else a refusal of the others tells nothing."""
    return _signed(issuer)


def bad(issuer: str) -> dict[str, str]:
    """Return tokens that are to be refused, by what is wrong with them."""
    token = good(issuer)
    head, body, signature = token.split(".")
    now = int(time.time())
    changed = {**_claims(issuer), "role": "admin"}
    return {
        "another type": _signed(issuer, typ="JWT"),
        "another audience": _signed(issuer, aud="another"),
        "another issuer": _signed(issuer, iss=f"{issuer}/another"),
        "expired": _signed(issuer, iat=now - 400, exp=now - 100),
        "no expiry": _signed(issuer, exp=None),
        "unknown kid": _signed(issuer, kid="nobody-s"),
        "changed": f"{head}.{_encode(changed)}.{signature}",
        "no signature": f"{head}.{body}.",
        "unsigned": f"{_encode({'alg': 'none', 'typ': 'at+jwt', 'kid': KID})}.{body}.",
        "the public key as a secret": _with_public_key_as_secret(body),
        "another's key": _signed(issuer, key=ec.generate_private_key(ec.SECP256R1())),
    }


def _claims(issuer: str) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": issuer,
        "aud": "keyfob",
        "sub": "ada",
        "client_id": "keyfob",
        "iat": now,
        "exp": now + 300,
        "jti": "one",
        "sid": "one",
        "role": "user",
    }


def _signed(
    issuer: str, *, typ: str = "at+jwt", kid: str = KID, key: Any = KEY, **differs: Any
) -> str:
    claims = {**_claims(issuer), **differs}
    told = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(told, key, algorithm="ES256", headers={"typ": typ, "kid": kid})


def _with_public_key_as_secret(body: str) -> str:
    secret = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = _encode({"alg": "HS256", "typ": "at+jwt", "kid": KID})
    signature = hmac.digest(secret, f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{_text(signature)}"


def _encode(part: dict[str, Any]) -> str:
    return _text(json.dumps(part).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
