"""What is as it should be although the suite remarks on it, or skips it."""

from collections.abc import Mapping

# By the condition that remarks.
EXPLAINED: Mapping[str, str] = {
    "VerifyScopesReturnedInUserInfoClaims": "Keyfob knows fewer claims of a person than the "
    "standard names, and leaves out what nobody has told it (OpenID Connect Core section 5.3.2).",
    "EnsureUserInfoContainsName": "a name is told if the person has given one.",
    "EnsureIdTokenDoesNotContainEmailForScopeEmail": "many apps read the ID token alone, so it "
    "tells what `userinfo` tells. An app that does not want that asks for less.",
    "CheckForUnexpectedClaimsInIdToken": "the claim is `sid`, by which an app recognises the "
    "session that a logout token ends (OpenID Connect Back-Channel Logout section 2.1).",
}

_UNSIGNED = "it sends a request object that nobody has signed, which Keyfob refuses (RFC 9101)."

# By the module that is skipped.
SKIPPED: Mapping[str, str] = {
    "oidcc-scope-address": "Keyfob keeps no postal addresses, and has no such scope.",
    "oidcc-scope-phone": "Keyfob keeps no telephone numbers, and has no such scope.",
    "oidcc-scope-all": "it asks for `address` and `phone`, too.",
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported": _UNSIGNED,
    "oidcc-ensure-request-object-with-redirect-uri": _UNSIGNED,
}
