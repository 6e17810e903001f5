"""Registrations of clients, as the audit log keeps them."""

from typing import Any

from keyfob.clients.models import RegisteredClient


def told(client: RegisteredClient) -> dict[str, Any]:
    """Return the registration of a client."""
    is_app = bool(client.redirect_uris) or client.signs_in_on_devices
    of_app = {
        "redirect_uris": list(client.redirect_uris),
        "first_party": client.first_party,
        "require_pkce": client.require_pkce,
        "id_token_alg": client.id_token_alg.value,
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "backchannel_logout_session_required": client.backchannel_logout_session_required,
        "require_par": client.require_par,
        "require_signed_request": client.require_signed_request,
        "rotate_refresh": client.rotate_refresh,
    }
    return {
        **({"kind": client.kind.value, **of_app} if is_app else {}),
        "name": client.name,
        "grants": list(client.grants),
        "scope": list(client.scope),
        "resources": list(client.resources),
        "auth_method": client.auth_method.value,
        "jwks_uri": client.jwks_uri,
        "access_token_ttl": client.access_token_ttl,
        "dpop_bound": client.dpop_bound,
        "profile": client.profile,
        "disabled": client.disabled_at is not None,
    }


def difference(
    before: RegisteredClient, after: RegisteredClient
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the old and the new values of what a change has changed, for the audit log."""
    old, new = told(before), told(after)
    changed = [name for name in new if old.get(name) != new[name]]
    told_old = {name: old.get(name) for name in changed}
    told_new = {name: new[name] for name in changed}
    if before.jwks != after.jwks:
        told_old["jwks"], told_new["jwks"] = _kids(before), _kids(after)
    return told_old, told_new


def _kids(client: RegisteredClient) -> list[str]:
    return [str(key.get("kid")) for key in (client.jwks or {}).get("keys", [])]
