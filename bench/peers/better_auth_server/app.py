"""better-auth-server as its quick start mounts it, on PostgreSQL; run in its own venv.

It is mounted once for each way it may be set, so that no scene pays for what another needs. What
is not named here is its default.
"""

import contextlib
import os
from collections.abc import AsyncIterator

from better_auth import BetterAuth, EmailAndPassword, RateLimit, SessionOptions
from better_auth.adapters.sqlalchemy import SQLAlchemyAdapter
from better_auth.config import CookieCache
from better_auth.integrations.fastapi import BetterAuthFastAPI
from better_auth.plugins_ext.admin import AdminPlugin
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=10, max_overflow=0)


def mount(path: str, session: SessionOptions | None = None, *plugins: AdminPlugin) -> BetterAuth:
    return BetterAuth(
        secret=os.environ["SECRET"],
        base_url="http://localhost:8000",
        base_path=path,
        adapter=SQLAlchemyAdapter(engine),
        email_and_password=EmailAndPassword(enabled=True),
        session=session,
        rate_limit=RateLimit(enabled=False),
        plugins=list(plugins),
    )


with_admin = mount("/with-admin", None, AdminPlugin())
mounts = [
    mount("/api/auth"),
    mount("/sliding", SessionOptions(update_age=0)),
    mount("/cached", SessionOptions(cookie_cache=CookieCache(enabled=True))),
    with_admin,
]


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    # The admin plugin's tables are those of the others, with columns that may be empty.
    await with_admin.adapter.create_tables()
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
for auth in mounts:
    app.include_router(BetterAuthFastAPI(auth).router)
