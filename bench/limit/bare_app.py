"""The least that a refresh and a `GET /me` cost in Python: plain ASGI on plain uvicorn.

`/refresh`: parse the body, run the rotation statement through asyncpg's pool, sign the claims of
our access token with `jwt.encode`, answer. `/me`: verify a token of the same claims with
`jwt.decode`, answer. The same claims and headers leave, but nothing is made of them: no MAC, no
limits, no metrics, no request id, no revocation, no error form.
"""

import json
import os
import sys
import time
import uuid
from typing import Any

import asyncpg
import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ed25519

from bench.limit.statements import ROTATE

_key = ed25519.Ed25519PrivateKey.generate()
_public = _key.public_key()
_ME = json.dumps({"id": str(uuid.UUID(int=1)), "email": "ada@example.com", "role": "user"}).encode()


_HEADERS = [
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"x-request-id", b"0123456789abcdef"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
]


def sign(user_id: str, session_id: str, generation: int, role: str) -> str:
    now = int(time.time())
    claims = {
        "iss": "http://localhost:8000/auth",
        "aud": "keyfob",
        "sub": user_id,
        "iat": now,
        "exp": now + 300,
        "jti": os.urandom(16).hex(),
        "sid": session_id,
        "gen": generation,
        "sub_gen": 0,
        "client_id": "keyfob",
        "role": role,
        "roles": [role],
        "scope": "account",
        "auth_time": now,
        "acr": "aal1",
        "amr": ["pwd"],
    }
    return jwt.encode(claims, _key, "EdDSA", headers={"typ": "at+jwt", "kid": "a key of the bench"})


class PlainConnection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        return ""


def make_app(dsn: str) -> Any:
    pool: Any = None

    async def refresh(receive: Any) -> bytes:
        body = json.loads((await receive())["body"])
        session_id, generation, secret = body["token"].split(".")
        async with pool.acquire() as connection:
            row = await connection.fetchrow(
                ROTATE, uuid.UUID(session_id), int(generation), bytes.fromhex(secret)
            )
        token = sign(str(row["user_id"]), session_id, row["generation"], row["role"])
        following = f"{session_id}.{row['generation']}.{secret}"
        return json.dumps({"access_token": token, "refresh_token": following}).encode()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal pool
        if scope["type"] == "lifespan":
            pool = await asyncpg.create_pool(
                dsn, max_size=10, min_size=2, connection_class=PlainConnection
            )
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            return
        body = b"{}"
        if scope["path"] == "/refresh":
            body = await refresh(receive)
        elif scope["path"] == "/me":
            token = next(value for name, value in scope["headers"] if name == b"authorization")
            jwt.decode(
                token[7:],
                _public,
                algorithms=["EdDSA"],
                audience="keyfob",
                issuer="http://localhost:8000/auth",
            )
            body = _ME
        elif scope["path"] == "/token":
            body = sign(str(uuid.uuid4()), str(uuid.uuid4()), 0, "user").encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(body)).encode()),
                    *_HEADERS,
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    uvicorn.run(
        make_app(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
