"""People who sign in to apps by a contestant, as `bench.harness.apps` does by Keyfob."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.harness.app_user import AppUser, Endpoints, Key
from bench.harness.browsing import Browser
from bench.harness.load import Answer, Connection, Step

# What somebody new does at the page that they are led to; leads to the app.
AtPage = Callable[[Browser, Answer], Awaitable[str]]
# Makes somebody new.
MakesSomebody = Callable[[Connection], Awaitable[AtPage]]


@dataclass(frozen=True)
class SignsIn:
    """Signs in to an app again and again, with a live session and everything allowed.

    Args:
        endpoints: of the contestant.
        client_id: of the app.
        secret: of the app; empty if it has a key, pushes its requests and shows proofs.
        number: of its key.
        somebody: who uses it; absent where redirects alone sign somebody new in.
    """

    endpoints: Endpoints
    client_id: str
    secret: str = ""
    number: int | None = None
    somebody: MakesSomebody | None = None

    async def __call__(self, connection: Connection, _: int) -> Step:
        browser = Browser(connection)
        at_page = await self.somebody(connection) if self.somebody else None

        async def go_on(answer: Answer) -> str:
            return await at_page(browser, answer) if at_page else ""

        user = AppUser(
            connection=connection,
            browser=browser,
            endpoints=self.endpoints,
            client_id=self.client_id,
            secret=self.secret,
            key=Key(self.number),
            pages=go_on,
        )
        if self.secret:
            await user.sign_in_by_secret()
            user.pages = None  # from now on, a page is a failure
            return user.sign_in_by_secret
        await user.learn_nonce()
        await user.sign_in_by_key()
        user.pages = None
        return user.sign_in_by_key
