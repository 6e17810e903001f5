"""Roles that only we can read in a token."""

import jwt
from tests.tokens.keys import CLAIMS

from keyfob.authority.models import Role
from keyfob.tokens.access import AccessTokens

FURTHER = ([], ["clerk"], ["billing-admin", "auditor", "r" * 64])


def issue(tokens: AccessTokens, role: Role, *further: str) -> str:
    claims = CLAIMS._replace(role=role, roles=(str(role), *further), tells_roles=False)
    return tokens.issue(claims)[0]


def test_their_length_does_not_tell_which_they_are(tokens: AccessTokens) -> None:
    """Threat: an app that may not know the roles sees by the length who is an administrator."""
    made = [issue(tokens, role, *further) for role in Role for further in FURTHER]

    claims = [jwt.decode(text, options={"verify_signature": False}) for text in made]
    assert len({len(one["sealed_roles"]) for one in claims}) == 1
    assert len({len(text) for text in made}) == 1


def test_a_great_many_are_read_as_they_were_given(tokens: AccessTokens) -> None:
    many = tuple(f"role-{number}" for number in range(100))

    read = tokens.read(issue(tokens, Role.ADMIN, *many)).claims

    assert (read.role, read.roles) == (Role.ADMIN, ("admin", *many))
