"""A small issuer over real HTTP on loopback, with real keys: what the tests can make go wrong."""

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "https://orders.example.com"
ADA = "0199c0de-0000-7000-8000-00000000ada0"
SESSION = "0199c0de-0000-7000-8000-000000005e55"

Answer = tuple[int, dict[str, str], bytes]

_WRITERS: dict[str, Any] = {"EdDSA": OKPAlgorithm, "ES256": ECAlgorithm, "RS256": RSAAlgorithm}
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Key:
    """A key pair of the issuer."""

    def __init__(self, kid: str, algorithm: str = "EdDSA") -> None:
        self.kid, self.algorithm = kid, algorithm
        self.private: Any
        if algorithm == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        elif algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        else:
            self.private = _RSA

    def jwk(self) -> dict[str, Any]:
        written = _WRITERS[self.algorithm].to_jwk(self.private.public_key(), as_dict=True)
        written.pop("key_ops", None)
        return {**written, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        headers = {"typ": "at+jwt", "kid": self.kid, **header}
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers=headers)


class Issuer:
    """Serves metadata and keys; `routes` answers anything else."""

    def __init__(self) -> None:
        self.key = Key("first")
        self.keys: list[Key] = [self.key]
        self.cache_control = "max-age=300"
        self.is_down = False
        self.asked: Counter[str] = Counter()
        self.before_keys: Callable[[], object] = lambda: None
        self.routes: dict[str, Callable[[BaseHTTPRequestHandler], Answer | None]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.root}/auth"
        self.metadata: dict[str, Any] = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/.well-known/jwks.json",
            "token_endpoint": f"{self.url}/oauth2/token",
        }
        self.metadata_at = "/.well-known/oauth-authorization-server/auth"
        # A short interval: `close` waits for it.
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def claims(self, **differs: Any) -> dict[str, Any]:
        """Return the claims of a user's token; None leaves one out."""
        now = int(time.time())
        usual: dict[str, Any] = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": ADA,
            "client_id": "keyfob",
            "iat": now,
            "exp": now + 300,
            "jti": "q83vEjRWeJq83vEjRWeJqw",
            "sid": SESSION,
            "gen": 1,
            "sub_gen": 0,
            "scope": "orders:read",
            "role": "user",
            "roles": ["user"],
            "auth_time": now,
            "acr": "aal1",
            "amr": ["pwd"],
        }
        return {name: value for name, value in (usual | differs).items() if value is not None}

    def token(self, **differs: Any) -> str:
        return self.key.sign(self.claims(**differs))

    def answer(self, request: BaseHTTPRequestHandler) -> Answer | None:
        path = request.path.partition("?")[0]
        self.asked[path] += 1
        if self.is_down:
            return 503, {}, b""
        if path == self.metadata_at:
            return as_json(self.metadata)
        if path == "/auth/.well-known/jwks.json":
            self.before_keys()
            status, headers, body = as_json({"keys": [key.jwk() for key in self.keys]})
            return status, {**headers, "Cache-Control": self.cache_control}, body
        if path in self.routes:
            return self.routes[path](request)
        return 404, {}, b""

    @property
    def key_fetches(self) -> int:
        return self.asked["/auth/.well-known/jwks.json"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def as_json(document: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


def encode(part: object) -> str:
    """Return a part of a token, of any JSON."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _handler_of(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = issuer.answer(self)
            if answer is None:  # the route has written it by itself
                self.close_connection = True
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def do_PATCH(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
