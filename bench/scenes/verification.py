"""Verifying in another service: the package of sdk/python against PyJWT alone, in CPU a token.

Tokens are signed with EdDSA, as by default; the service holds a thousand revocations. PyJWT alone
checks signature, type, issuer, audience and expiry, with the key at hand.
"""

import importlib
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from bench.harness import figures

# A distribution of its own, which is not installed beside Keyfob.
_PACKAGE = Path(__file__).parents[2] / "sdk" / "python" / "src"
_AUDIENCE = "https://orders.example.com"
_TOKENS = 4000
_REVOCATIONS = 1000
_KEY = Ed25519PrivateKey.generate()


def run_on_own_cluster(report: figures.Report, rounds: int, _: float) -> None:
    """Measure; no database is needed."""
    logging.getLogger("keyfob_client").setLevel(logging.ERROR)  # the feed is polled, on purpose
    with _issuer() as issuer:
        tokens = [_token(issuer, number) for number in range(_TOKENS)]
        bare, unseen, remembered = figures.in_turn(
            rounds,
            lambda: _cost(_bare(issuer), tokens),
            lambda: _with_package(issuer, tokens),
            lambda: _with_package(issuer, tokens[:1] * _TOKENS),
        )
    for side, costs in (("PyJWT alone", bare), ("unseen", unseen), ("remembered", remembered)):
        report.figure("verification", side, "CPU", "us", costs)
    told = f"{min(bare):.0f} to {max(bare):.0f} us bare"
    report.add(
        "verification with the package, unseen / PyJWT alone, CPU",
        figures.ratios(unseen, bare),
        1.1,
        f"{min(unseen):.0f} to {max(unseen):.0f} us, {told}",
        at_most=True,
    )
    report.add(
        "verification with the package, remembered / PyJWT alone, CPU",
        figures.ratios(remembered, bare),
        0.3,
        f"{min(remembered):.1f} to {max(remembered):.1f} us, {told}",
        at_most=True,
    )


def _cost(verify: Callable[[str], object], tokens: Sequence[str]) -> float:
    """Return the microseconds of this thread's CPU for each token."""
    verify(tokens[-1])
    before = time.thread_time()
    for token in tokens:
        verify(token)
    return (time.thread_time() - before) / len(tokens) * 1e6


def _bare(issuer: str) -> Callable[[str], object]:
    key = _KEY.public_key()
    options: Any = {"require": ["exp", "iat", "sub", "sid"]}

    def verify(token: str) -> object:
        if jwt.get_unverified_header(token).get("typ") != "at+jwt":
            raise jwt.InvalidTokenError
        return jwt.decode(
            token, key, ["EdDSA"], options, audience=_AUDIENCE, issuer=issuer, leeway=10
        )

    return verify


def _with_package(issuer: str, tokens: Sequence[str]) -> float:
    """Measure a verifier that has seen none of the tokens yet, and follows the feed."""
    if str(_PACKAGE) not in sys.path:
        sys.path.append(str(_PACKAGE))
    package: Any = importlib.import_module("keyfob_client")
    client = package.ClientSecret("orders", "a secret")
    with package.Verifier(issuer, audience=_AUDIENCE, client=client) as verifier:
        verifier.verify(_token(issuer, _TOKENS))
        cost = _cost(verifier.verify, tokens)
        assert verifier.metrics.verified >= len(set(tokens))
    return cost


def _token(issuer: str, number: int) -> str:
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": _AUDIENCE,
        "iat": now,
        "exp": now + 3600,
        "jti": f"{number:022}",
        "sub": str(UUID(int=number)),
        "sid": str(UUID(int=number + 1)),
        "gen": 3,
        "sub_gen": 1,
        "client_id": "keyfob",
        "scope": "",
        "role": "user",
        "roles": ["user"],
        "auth_time": now,
        "acr": "aal1",
        "amr": ["pwd"],
    }
    return _sign(claims, "at+jwt")


def _sign(claims: dict[str, Any], typ: str) -> str:
    return jwt.encode(claims, _KEY, "EdDSA", {"typ": typ, "kid": "one"})


@contextmanager
def _issuer() -> Iterator[str]:
    """Serve metadata, a key, and a feed that is polled."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Issuer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Issuer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        host, path = f"http://{self.headers['Host']}", self.path.partition("?")[0]
        jwk = {**OKPAlgorithm.to_jwk(_KEY.public_key(), as_dict=True), "kid": "one"}
        jwk.pop("key_ops", None)
        answers: dict[str, Callable[[], str]] = {
            "/.well-known/oauth-authorization-server": lambda: json.dumps(_metadata(host)),
            "/jwks": lambda: json.dumps({"keys": [jwk]}),
            "/token": lambda: json.dumps(
                {"access_token": "token", "token_type": "Bearer", "expires_in": 300}
            ),
            "/revocations": lambda: _document(host),
        }
        body = answers[path]().encode() if path in answers else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _metadata(host: str) -> dict[str, str]:
    return {
        "issuer": host,
        "jwks_uri": f"{host}/jwks",
        "token_endpoint": f"{host}/token",
        "keyfob_revocations_endpoint": f"{host}/revocations",
        "keyfob_revocations_stream_endpoint": f"{host}/stream",
    }


def _document(host: str) -> str:
    now = int(time.time())
    ids = (str(UUID(int=2**64 + number)) for number in range(_REVOCATIONS))
    claims = {
        "iss": host,
        "aud": f"{host}/revocations",
        "iat": now,
        "exp": now + 30,
        "complete": True,
        "position": "one",
        "entries": [{"sid": of, "gen": 9, "exp": now + 900} for of in ids],
        "more": False,
    }
    return _sign(claims, "revocations+jwt")
