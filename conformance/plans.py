"""The plans of the suite that Keyfob has to pass, and the clients that each needs."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from conformance.keys import make_key

ALIAS = "keyfob"
Register = Callable[..., dict[str, str]]


class Surroundings(NamedTuple):
    """What a plan's configuration is made from.

    `register` makes a client with the given fields, and returns its `client_id` and, where it has
    one, its `client_secret`.
    """

    suite: str
    issuer: str
    register: Register

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


def _with_logout(around: Surroundings) -> dict[str, Any]:
    return _with_clients(
        around,
        post_logout_redirect_uris=[around.at("post_logout_redirect")],
        backchannel_logout_uri=around.at("backchannel_logout"),
    )


def _fapi(around: Surroundings, scope: str = "openid profile") -> dict[str, Any]:
    """Return a configuration with two clients as the FAPI 2.0 security profile has them."""
    config = _base(around) | {"resource": {"resourceUrl": f"{around.issuer}/oauth2/userinfo"}}
    for name in ("client", "client2"):
        key = make_key(name)
        fields = {
            "kind": "web",
            "auth_method": "private_key_jwt",
            "jwks": key.public,
            "redirect_uris": around.callbacks,
            "id_token_alg": "ES256",
            "require_par": True,
            "dpop_bound": True,
            "rotate_refresh": False,
        }
        made = around.register(name=f"Suite, {name}", **fields)
        config[name] = {**made, "scope": scope, "jwks": key.private, "dpop_signing_alg": "ES256"}
    return config


def _fapi_plain(around: Surroundings) -> dict[str, Any]:
    return _fapi(around, "profile")


_STATIC = {"server_metadata": "discovery", "client_registration": "static_client"}
_FAPI = {
    "client_auth_type": "private_key_jwt",
    "sender_constrain": "dpop",
    "authorization_request_type": "simple",
    "fapi_profile": "plain_fapi",
}

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
        _with_logout,
        2,
    ),
    "fapi": Plan(
        "FAPI 2.0 Security Profile OP, OpenID Connect",
        "fapi2-security-profile-final-test-plan",
        {**_FAPI, "openid": "openid_connect"},
        _fapi,
        56,
    ),
    "fapi-plain": Plan(
        "FAPI 2.0 Security Profile OP, OAuth alone",
        "fapi2-security-profile-final-test-plan",
        {**_FAPI, "openid": "plain_oauth"},
        _fapi_plain,
        50,
    ),
}
