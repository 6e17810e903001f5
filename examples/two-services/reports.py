"""A service that asks another one: for its caller, and for itself."""

import os

import httpx
from fastapi import FastAPI, HTTPException, Request

from keyfob_client import AsyncVerifier, ClientSecret
from keyfob_client.fastapi import CurrentUser, protect

KEYFOB = "http://localhost:8000/auth"
CLIENT = ClientSecret(os.environ["REPORTS_ID"], os.environ["REPORTS_SECRET"])

app = FastAPI()
protect(app, AsyncVerifier(KEYFOB, audience="keyfob", client=CLIENT))


@app.get("/report")
async def report(user: CurrentUser, request: Request) -> dict[str, object]:
    """List the orders that the caller may read."""
    _, token = request.headers["Authorization"].split()
    listed = await orders(
        grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token=token,
        subject_token_type="urn:ietf:params:oauth:token-type:access_token",
    )
    return {"of": user.subject, "orders": listed}


@app.get("/count")
async def count(user: CurrentUser) -> dict[str, int]:
    """Count the orders, also for those who may not read them."""
    return {"orders": len(await orders(grant_type="client_credentials"))}


async def orders(**grant: str) -> list[str]:
    """Ask Keyfob for a token for the orders, and list them with it."""
    asked = {"resource": "https://orders.example.com", "scope": "orders:read", **grant}
    async with httpx.AsyncClient() as http:
        given = await http.post(
            f"{KEYFOB}/oauth2/token", data=asked, auth=(CLIENT.client_id, CLIENT.secret)
        )
        if given.status_code == 400:
            raise HTTPException(403, "You may not read orders")
        bearer = f"Bearer {given.raise_for_status().json()['access_token']}"
        answer = await http.get("http://localhost:8002/orders", headers={"Authorization": bearer})
    listed: list[str] = answer.raise_for_status().json()
    return listed
