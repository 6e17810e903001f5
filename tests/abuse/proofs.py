"""Steps of a stranger who uses another person's address."""

from tests.fixtures.links import (
    sign_up,
)
from tests.fixtures.world import SignedIn, World

EVES = "the stranger's own"


async def register_as_eve(world: World, name: str = "Eve was here") -> SignedIn:
    """Sign up with Ada's address, in a service that signs in at once."""
    return SignedIn.of(await sign_up(world, password=EVES, name=name))
