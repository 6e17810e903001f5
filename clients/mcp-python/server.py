"""An MCP server with one tool, for who has a token of Keyfob's that is for this server."""

import asyncio
from urllib.parse import urlsplit

import jwt
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from pydantic import AnyHttpUrl


class Verifier:
    """Checks an access token as RFC 9068 section 4 has it, with the keys of its issuer."""

    def __init__(self, issuer: str, audience: str) -> None:
        self._issuer, self._audience = issuer, audience
        self._keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json")

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            claims = await asyncio.to_thread(self._read, token)
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims.get("scope", "").split(),
            expires_at=claims["exp"],
            resource=claims["aud"],
            subject=claims["sub"],
        )

    def _read(self, token: str) -> dict[str, str]:
        key = self._keys.get_signing_key_from_jwt(token)
        if jwt.get_unverified_header(token)["typ"] != "at+jwt":
            raise jwt.InvalidTokenError("not an access token")
        claims: dict[str, str] = jwt.decode(
            token,
            key,
            algorithms=["EdDSA", "ES256", "RS256"],
            audience=self._audience,
            issuer=self._issuer,
            options={"require": ["exp", "sub", "client_id"]},
        )
        return claims


async def serve(url: str, issuer: str) -> None:
    """Serve the tool at this address until cancelled."""
    settings = AuthSettings(
        issuer_url=AnyHttpUrl(issuer),
        resource_server_url=AnyHttpUrl(url),
        required_scopes=["notes:read"],
        validate_token_resource=True,
    )
    server = MCPServer("notes", auth=settings, token_verifier=Verifier(issuer, url))

    @server.tool(name="who-am-i")
    def who_am_i() -> str:
        """Return whose notes these are."""
        token = get_access_token()
        assert token is not None
        return str(token.subject)

    where = urlsplit(url)
    await server.run_streamable_http_async(
        host=str(where.hostname), port=where.port or 80, streamable_http_path=where.path
    )
