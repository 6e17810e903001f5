"""The remarks of the suite that are as they should be, by the condition that makes them."""

from collections.abc import Mapping

EXPLAINED: Mapping[str, str] = {
    "VerifyScopesReturnedInUserInfoClaims": "Keyfob knows fewer claims of a person than the "
    "standard names, and leaves out what nobody has told it (OpenID Connect Core section 5.3.2).",
    "EnsureUserInfoContainsName": "a name is told if the person has given one.",
    "EnsureIdTokenDoesNotContainEmailForScopeEmail": "many apps read the ID token alone, so it "
    "tells what `userinfo` tells. An app that does not want that asks for less.",
}
