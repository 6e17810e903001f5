"""A session from before the factor, which has not presented it."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.world import SignedIn, World

REFUSED = (401, "insufficient_user_authentication")


async def test_it_takes_no_export_and_undoes_no_erasure(world: World, clock: MovableClock) -> None:
    """Threat: a thief with the password still has a session when the owner adds a factor."""
    await world.make_user()
    thief, ada = await world.log_in(), await world.log_in()
    await add_totp(world, ada, clock)
    ada = SignedIn.of(await world.refresh(ada.refresh))
    assert (await world.api.delete("/me", headers=ada.headers)).status_code == 202

    exported = await world.api.get("/me/export", headers=thief.headers)
    kept = await world.api.post("/me/keep", headers=thief.headers)

    assert (exported.status_code, exported.json().get("code")) == REFUSED
    assert 'acr_values="aal2"' in exported.headers["www-authenticate"]
    assert (kept.status_code, kept.json().get("code")) == REFUSED
    assert (await world.me(ada)).json()["erase_at"] is not None
    assert (await world.api.get("/me/export", headers=ada.headers)).status_code == 200
    assert (await world.api.post("/me/keep", headers=ada.headers)).status_code == 204
