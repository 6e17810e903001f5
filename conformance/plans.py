"""The plans of the suite that Keyfob has to pass, and the clients that each needs."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from conformance.keys import make_key

ALIAS = "keyfob"
NOTES_SCOPE = "notes:read"
Register = Callable[..., dict[str, str]]


class Surroundings(NamedTuple):
    """What a plan's configuration is made from.

    `api` is the address of an API beside Keyfob. `register` makes a client with the given fields,
    and returns its `client_id` and, where it has one, its `client_secret`. `forget` takes back what
    the person has allowed, and `remove` deletes the clients.
    """

    suite: str
    issuer: str
    api: str
    register: Register
    forget: Callable[[], None]
    remove: Callable[[], None]

    def at(self, page: str) -> str:
        """Return the address of a page of the suite under our alias."""
        return f"{self.suite}/test/a/{ALIAS}/{page}"

    @property
    def callbacks(self) -> list[str]:
        """The places that the suite's clients return to."""
        return [self.at("callback"), self.at("callback") + "?dummy1=lorem&dummy2=ipsum"]


class Plan(NamedTuple):
    """A plan of the suite, and the number of modules that it has for us."""

    title: str
    name: str
    variant: Mapping[str, str]
    config: Callable[[Surroundings], dict[str, Any]]
    modules: int


_OURS = ["keyfob_revocations_endpoint", "keyfob_revocations_stream_endpoint"]


def _base(around: Surroundings) -> dict[str, Any]:
    return {
        "alias": ALIAS,
        "description": "Keyfob",
        "server": {
            "discoveryUrl": f"{around.issuer}/.well-known/openid-configuration",
            "allow_unexpected_metadata_fields": _OURS,
        },
    }


def _with_clients(around: Surroundings, **more: Any) -> dict[str, Any]:
    """Return a configuration with three clients that differ by how they authenticate."""
    # These plans are older than PKCE.
    of_all = {"kind": "web", "redirect_uris": around.callbacks, "require_pkce": False, **more}
    return _base(around) | {
        "client": around.register(name="Suite", **of_all),
        "client2": around.register(name="Suite, second", **of_all),
        "client_secret_post": around.register(
            name="Suite, by form", auth_method="client_secret_post", **of_all
        ),
    }


def _with_logout(around: Surroundings, **more: Any) -> dict[str, Any]:
    places = [around.at("post_logout_redirect")]
    return _with_clients(around, post_logout_redirect_uris=places, **more)


def _with_backchannel_logout(around: Surroundings) -> dict[str, Any]:
    return _with_logout(around, backchannel_logout_uri=around.at("backchannel_logout"))


def _fapi(around: Surroundings) -> dict[str, Any]:
    return _with_bound_clients(
        around, "openid profile", f"{around.issuer}/oauth2/userinfo", **_signing_in(around)
    )


def _fapi_plain(around: Surroundings) -> dict[str, Any]:
    more = {**_signing_in(around), "resources": [around.api], "scope": [NOTES_SCOPE]}
    return _with_oauth_metadata(
        around, _with_bound_clients(around, NOTES_SCOPE, around.api, **more)
    )


def _fapi_machine(around: Surroundings) -> dict[str, Any]:
    """Return a configuration with two service accounts, which list the users of Keyfob."""
    own = {"resources": [around.issuer], "scope": ["users:read"]}
    users = f"{around.issuer}/admin/users"
    return _with_oauth_metadata(around, _with_bound_clients(around, "users:read", users, **own))


_ALGORITHMS = (("client", "PS256", "ES256"), ("client2", "ES256", "EdDSA"))


def _signing_in(around: Surroundings) -> dict[str, Any]:
    return {"kind": "web", "redirect_uris": around.callbacks}


def _with_bound_clients(
    around: Surroundings, asked: str, shown_at: str, **more: Any
) -> dict[str, Any]:
    """Return a configuration with two clients that are made what FAPI 2.0 wants by one field.

    They differ by their algorithms. `asked`: their scope. `shown_at`: what their tokens open.
    """
    config = _base(around) | {"resource": {"resourceUrl": shown_at}}
    for name, algorithm, of_id_tokens in _ALGORITHMS:
        key = make_key(name, algorithm)
        fields = {
            "auth_method": "private_key_jwt",
            "jwks": key.public,
            "id_token_alg": of_id_tokens,
            "profile": "fapi2",
            **more,
        }
        made = around.register(name=f"Suite, {name}", **fields)
        config[name] = {**made, "scope": asked, "jwks": key.private, "dpop_signing_alg": algorithm}
    return config


def _with_oauth_metadata(around: Surroundings, config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration whose metadata are where OAuth has them (RFC 8414 section 3.1)."""
    at = urlsplit(around.issuer)
    url = f"{at.scheme}://{at.netloc}/.well-known/oauth-authorization-server{at.path}"
    return config | {"server": {**config["server"], "discoveryUrl": url}}


_STATIC = {"server_metadata": "discovery", "client_registration": "static_client"}
_FAPI = {
    "client_auth_type": "private_key_jwt",
    "sender_constrain": "dpop",
    "authorization_request_type": "simple",
}
_APPS = {**_FAPI, "fapi_profile": "plain_fapi"}
_MACHINES = {
    **_FAPI,
    "fapi_profile": "fapi_client_credentials_grant",
    "openid": "plain_oauth",  # the module about the metadata asks
}
_FAPI_PLAN = "fapi2-security-profile-final-test-plan"

PLANS: Mapping[str, Plan] = {
    "config": Plan("Config OP", "oidcc-config-certification-test-plan", {}, _base, 1),
    "basic": Plan("Basic OP", "oidcc-basic-certification-test-plan", _STATIC, _with_clients, 35),
    "form-post": Plan(
        "Form Post OP (basic)",
        "oidcc-formpost-basic-certification-test-plan",
        _STATIC,
        _with_clients,
        35,
    ),
    "logout": Plan(
        "RP-Initiated Logout OP",
        "oidcc-rp-initiated-logout-certification-test-plan",
        {"client_registration": "static_client", "response_type": "code"},
        _with_logout,
        11,
    ),
    "back-channel": Plan(
        "Back-Channel OP",
        "oidcc-backchannel-rp-initiated-logout-certification-test-plan",
        {"client_registration": "static_client", "response_type": "code"},
        _with_backchannel_logout,
        2,
    ),
    "fapi": Plan(
        "FAPI 2.0 Security Profile OP, OpenID Connect",
        _FAPI_PLAN,
        {**_APPS, "openid": "openid_connect"},
        _fapi,
        56,
    ),
    "fapi-plain": Plan(
        "FAPI 2.0 Security Profile OP, OAuth alone",
        _FAPI_PLAN,
        {**_APPS, "openid": "plain_oauth"},
        _fapi_plain,
        50,
    ),
    "fapi-machine": Plan(
        "FAPI 2.0 Security Profile OP, client credentials",
        _FAPI_PLAN,
        _MACHINES,
        _fapi_machine,
        14,
    ),
}
