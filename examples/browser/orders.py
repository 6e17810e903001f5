"""An API that a page of another origin may call."""

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from keyfob_client import AsyncVerifier
from keyfob_client.fastapi import CurrentUser, protect

app = FastAPI()
protect(app, AsyncVerifier("http://localhost:8000/auth", audience="keyfob"))
app.add_middleware(
    CORSMiddleware,
    allow_origins=["http://localhost:8080"],
    allow_headers=["Authorization"],
    expose_headers=["WWW-Authenticate"],
)


@app.get("/orders")
async def list_orders(user: CurrentUser) -> list[str]:
    """List the orders of the caller."""
    return ["a loom", "two hundred cards"]
