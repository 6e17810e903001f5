"""The fields of programs in forms: their words, their values, and what is said of wrong ones."""

from collections.abc import Mapping

from keyfob.clients.models import AuthMethod, ClientKind, Profile, RegisteredClient
from keyfob.clients.registration import KINDS, preset
from keyfob.core.locales import N_, gettext
from keyfob.web.parts.refusals import refusal

KINDS_IN_WORDS: Mapping[ClientKind, str] = {
    ClientKind.SERVICE: N_("A service without people"),
    ClientKind.WEB: N_("An app with a server"),
    ClientKind.BROWSER: N_("An app in the browser alone"),
    ClientKind.NATIVE: N_("An app on a phone or computer"),
}
ERRORS: Mapping[str, str] = {
    "name": N_("Type a name of up to 200 characters."),
    "redirect_uris": N_(
        "Type whole addresses, one on each line. They begin with https://. On the user's own "
        "machine they may begin with http://localhost/, and on a phone with com.example.app:/."
    ),
    "post_logout_redirect_uris": N_(
        "Type whole addresses, one on each line, as for the places to return to."
    ),
    "backchannel_logout_uri": N_(
        "Type an address that begins with https:// and that everybody can reach. Others have to be "
        "listed in KEYFOB_OUTBOUND_ALLOW."
    ),
    "first_party": N_("That is for apps whose addresses all begin with https://."),
    "jwks_uri": N_("Type the address of its keys (a JWK Set), which begins with https://."),
    "require_signed_request": N_(
        "A program that signs its requests needs the address of its keys."
    ),
    "access_token_ttl": N_("Type a number of seconds, from 60 to 3600."),
    "profile": N_("The program cannot keep this profile as it is: see its kind, grants and keys."),
    "auth_method": N_("A program that signs needs the address of its keys."),
}
# Other names of the same field of a form.
_SAME = {"jwks": "jwks_uri", "grants": "profile"}


PROFILES: Mapping[str, str] = {"": N_("none"), Profile.FAPI2: "FAPI 2.0"}
TICKED: Mapping[str, tuple[str, str]] = {
    "first_party": (
        N_("It is our own"),
        N_("Nobody is asked whether the app may know their name, address and roles."),
    ),
    "require_par": (
        N_("It pushes its requests"),
        N_(
            "The app sends each request itself (PAR), and links that bring one are refused. "
            "Only if it can."
        ),
    ),
    "require_signed_request": (
        N_("It signs its requests"),
        N_("Requests that are not signed by its key (JAR) are refused. Only if it can."),
    ),
    "require_pkce": (
        N_("It uses PKCE"),
        N_("Leave it so, but for an old app that cannot."),
    ),
    "rotate_refresh": (
        N_("Its refresh tokens change with each use"),
        N_("So a stolen one is noticed. An app with a secret or a key may keep one, as FAPI asks."),
    ),
    "dpop_bound": (
        N_("Its tokens are bound to a key"),
        N_("A stolen token is of no use then. The program has to know DPoP (RFC 9449)."),
    ),
}
# The fields of what a program proves and asks that are ticked.
TICKS = (
    *("first_party", "require_par", "require_signed_request", "require_pkce", "rotate_refresh"),
    "dpop_bound",
)


def rules_of(client: RegisteredClient) -> dict[str, str]:
    """Return how a program proves itself and asks, by the names of the fields that it has."""
    is_app, keeps = bool(client.redirect_uris), AuthMethod.NONE not in KINDS[client.kind].methods
    ticks = {name: "yes" if getattr(client, name) else "" for name in TICKS}
    of_keeper = {
        "auth_method": client.auth_method.value,
        "jwks_uri": client.jwks_uri or "",
        "profile": client.profile or "",
    }
    shown = {"dpop_bound", *(("first_party", "require_par") if is_app else ())}
    if is_app and keeps:
        shown |= {"require_signed_request", "require_pkce", "rotate_refresh"}
    return {
        "access_token_ttl": str(client.access_token_ttl),
        **({"id_token_alg": client.id_token_alg.value} if is_app else {}),
        **(of_keeper if keeps else {}),
        **{name: value for name, value in ticks.items() if name in shown},
    }


def held_by_profile(client: RegisteredClient, profile: str | None) -> frozenset[str]:
    """Return the fields that a profile holds where they are; ID tokens have a choice.

    The form of a client does not offer them.
    """
    known = Profile(profile) if profile in set(Profile) else None
    return frozenset(preset(known, signs_in=bool(client.redirect_uris))) - {"id_token_alg"}


def error_of(name: str) -> tuple[str, str]:
    """Return the sentence for a field that does not fit, by its name."""
    name = _SAME.get(name, name)
    if name in ERRORS:
        return name, gettext(ERRORS[name])
    return "", refusal("invalid_input")
