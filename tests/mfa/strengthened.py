"""A session that has presented a new factor."""

from tests.fixtures.world import SignedIn, World


async def refreshed(world: World, caller: SignedIn) -> SignedIn:
    return SignedIn.of(await world.refresh(caller.refresh))
