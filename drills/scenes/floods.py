"""One client that asks for more than anybody needs."""

import asyncio
import time

import asyncpg
import httpx
from bench.harness.cluster import temporary

from drills.harness.apps import CALLBACK, App, Office
from drills.harness.crowd import QUICK, Size
from drills.harness.instances import running
from drills.harness.outcome import Outcome
from drills.harness.wire import HOST
from drills.scenes.apps import members_of

_LONGEST_SWEEP = 300.0  # seconds


async def requests_flooded(size: Size) -> Outcome:
    """One client pushes requests and asks for device codes as fast as it can, 100,000 of them.

    What waits is bounded: by the limits of the settings, and by 10,000 devices a client. Then as
    many rows of each kind as were asked for expire at once, and are swept while everybody else is
    answered as usual.
    """
    number = 2_000 if size is QUICK else 100_000
    with temporary() as cluster:
        async with running(cluster.dsn(), WORKERS=2, LIMITS="on") as server:
            office = Office(server.port)
            await office.open()
            app = await office.register()
            device = await office.register(
                name="Television",
                kind="native",
                first_party=False,
                redirect_uris=[],
                grants=["urn:ietf:params:oauth:grant-type:device_code"],
            )
            statuses = await _flood(server.port, app, device, number)
            rows = await _rows(cluster.dsn())
            slowest, swept_in = await _swept(server.port, cluster.dsn(), app, number)
    accepted = sum(statuses.get(status, 0) for status in (200, 201))
    odd = set(statuses) - {200, 201, 429}
    return Outcome(
        did=f"sent {number} pushed requests and device codes by one client",
        acknowledged=accepted,
        refused=statuses.get(503, 0),
        lost=[] if sum(rows) <= accepted else [f"{sum(rows)} rows of {accepted} good answers"],
        unexpected=[f"answers with {odd}"] if odd else [],
        late=[
            *([f"an answer took {slowest:.1f} s while rows were swept"] if slowest > 1 else []),
            *(["rows were left"] if swept_in >= _LONGEST_SWEEP else []),
        ],
        notes=[
            f"{statuses.get(429, 0)} were refused with 429; {rows[0]} requests and {rows[1]} "
            "devices waited",
            f"{2 * number} expired rows were gone after {swept_in:.0f} s; slowest answer to "
            f"others meanwhile {slowest:.2f} s",
        ],
    )


async def _flood(port: int, app: App, device: App, number: int) -> dict[int, int]:
    statuses: dict[int, int] = {}
    pushed = {
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    asks = [
        ("/oauth2/par", pushed, app.auth),
        ("/oauth2/device", {"client_id": device.id, "scope": "openid"}, device.auth),
    ]

    async def send(share: int, which: int) -> None:
        path, form, auth = asks[which]
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=60) as api:
            for _ in range(share):
                answer = await api.post(path, data=form, auth=auth)
                statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1

    await asyncio.gather(*(send(number // 16, one % 2) for one in range(16)))
    return statuses


async def _rows(dsn: str) -> tuple[int, int]:
    db = await asyncpg.connect(dsn)
    try:
        counts = [
            await db.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("authorization_requests", "device_requests")
        ]
    finally:
        await db.close()
    return int(counts[0]), int(counts[1])


async def _swept(port: int, dsn: str, app: App, number: int) -> tuple[float, float]:
    """Let very many rows expire; return the slowest answer to others until they are gone."""
    db = await asyncpg.connect(dsn)
    old = "now() - interval '1 hour'"
    await db.execute(
        f"""
        INSERT INTO authorization_requests (handle_hash, client_id, asked, created_at, expires_at)
        SELECT sha256(n::text::bytea), $1::uuid, '{{}}', {old}, {old}
          FROM generate_series(1, $2::integer) AS n
        """,
        app.id,
        number,
    )
    await db.execute(
        f"""
        INSERT INTO device_requests
               (device_hash, user_code_hash, client_id, scope, audience, poll_seconds, created_at,
                expires_at)
        SELECT sha256(n::text::bytea), sha256(('u' || n)::bytea), $1::uuid, '{{openid}}', '{{}}',
               5, {old}, {old}
          FROM generate_series(1, $2::integer) AS n
        """,
        app.id,
        number,
    )
    began, slowest = time.monotonic(), 0.0
    [member] = await members_of(port, 1)
    own = {"Authorization": f"Bearer {member.access}"}
    while time.monotonic() < began + _LONGEST_SWEEP:
        asked_at = time.monotonic()
        answer = await member.server.get("/me/sessions", headers=own)
        slowest = max(slowest, time.monotonic() - asked_at)
        if answer.status_code not in {200, 429}:
            raise RuntimeError(f"others are answered with {answer.status_code}")
        await asyncio.sleep(0.05)
        left = await db.fetchval(
            "SELECT (SELECT count(*) FROM authorization_requests WHERE asked = '{}')"
            " + (SELECT count(*) FROM device_requests WHERE created_at < now() - interval '50 min')"
        )
        if not left:
            break
    await db.close()
    return slowest, time.monotonic() - began
