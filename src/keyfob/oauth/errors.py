"""Refusals of OAuth (RFC 6749 section 5.2, RFC 6750 section 3.1, RFC 8707 section 2)."""

from keyfob.core.problems import OAuthError


class InvalidClient(OAuthError):
    """The client is unknown or disabled, or its proof is not valid; the answer never says which."""

    status = 401
    code = "invalid_client"
    title = "Client authentication failed"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Basic realm="oauth2"'})


class InvalidGrant(OAuthError):
    """The grant is invalid, has expired, or was issued to another client."""

    code = "invalid_grant"
    title = "The grant is not valid"


class UnauthorizedClient(OAuthError):
    """The client is registered without this grant, or the token is another client's."""

    code = "unauthorized_client"
    title = "The client may not do this"


class UnsupportedGrantType(OAuthError):
    """There is no such grant."""

    code = "unsupported_grant_type"
    title = "This grant_type is not supported"


class InvalidScope(OAuthError):
    """The client may not ask for one of these scopes, or none of the resources has it."""

    code = "invalid_scope"
    title = "The scope is unknown, or more than the client may ask for"


class InvalidTarget(OAuthError):
    """The resource is unknown, or not one of the client's; or there are several to choose from."""

    code = "invalid_target"
    title = "The resource is not one of the client's"


class InvalidRedirectUri(OAuthError):
    """A client that registers itself names a place that no app may have its users sent to."""

    code = "invalid_redirect_uri"
    title = "A redirect URI is not valid"


class InvalidClientMetadata(OAuthError):
    """A client that registers itself asks for what it may not have, or for what there is not."""

    code = "invalid_client_metadata"
    title = "The metadata of the client are not valid"


class InvalidRequestObject(OAuthError):
    """A signed request is not valid: its signature, its claims, or its form (RFC 9101)."""

    code = "invalid_request_object"
    title = "The signed request is not valid"


class UnsupportedResponseType(OAuthError):
    """An app asks for something else than a code."""

    code = "unsupported_response_type"
    title = "This response_type is not supported"


class InsufficientScope(OAuthError):
    """The token is valid, and its scope has no `openid`."""

    status = 403
    code = "insufficient_scope"
    title = "The scope of the token is too narrow"

    def __init__(self) -> None:
        challenge = 'Bearer error="insufficient_scope", scope="openid"'
        super().__init__(headers={"WWW-Authenticate": challenge})


class AuthorizationPending(OAuthError):
    """The user has not decided yet; ask again after the interval (RFC 8628 section 3.5)."""

    code = "authorization_pending"
    title = "The user has not decided yet"


class SlowDown(OAuthError):
    """The device asks too often: its interval is five seconds longer now, and from now on."""

    code = "slow_down"
    title = "Ask less often: wait five seconds longer between two requests"


class AccessDenied(OAuthError):
    """The user does not let the app have what it asked for."""

    code = "access_denied"
    title = "The user has refused"


class ExpiredToken(OAuthError):
    """Nobody has decided in time; ask for new codes."""

    code = "expired_token"
    title = "The device code has expired"


class InvalidDpopProof(OAuthError):
    """The proof is not valid, not for this request, or was used before; or the client needs one."""

    code = "invalid_dpop_proof"
    title = "The DPoP proof is not valid for this request"


class UseDpopNonce(OAuthError):
    """The proof has no nonce of ours, or an old one; `DPoP-Nonce` tells the present one."""

    code = "use_dpop_nonce"
    title = "Make the DPoP proof again, with the nonce of the header DPoP-Nonce"
