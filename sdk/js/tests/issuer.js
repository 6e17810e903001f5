// A small issuer with real keys on loopback: metadata, keys, tokens, and a feed that a test steers.
import { crc32 } from "node:zlib";
import { createServer } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

export const AUDIENCE = "https://orders.example.com";
export const KEY = "0199c0de-0000-7000-8000-000000000077"; // the id of any API key

/** Return an API key with a right checksum: a CRC-32 in base62. */
export function apiKey(letter, number = 0) {
  const begin = `kfk_${letter}${String(number).padStart(42, letter)}`;
  const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  let sum = crc32(begin);
  let end = "";
  for (let place = 0; place < 6; place += 1) {
    end = digits[sum % 62] + end;
    sum = Math.floor(sum / 62);
  }
  return begin + end;
}

export class FakeIssuer {
  streams = new Set();
  polls = 0;
  keyFetches = 0;
  exchanges = 0;
  generation = 0; // of the tokens that keys are exchanged for
  position = 0;
  entries = [];
  down = false;
  streamless = false;
  further = []; // public keys beside its own

  static async start() {
    const issuer = new FakeIssuer();
    issuer.server = createServer((request, response) => issuer.answer(request, response));
    await new Promise((resolve) => issuer.server.listen(0, "127.0.0.1", resolve));
    issuer.name = `http://localhost:${issuer.server.address().port}/auth`;
    await issuer.rotate("one");
    return issuer;
  }

  async rotate(kid) {
    const { publicKey, privateKey } = await generateKeyPair("EdDSA");
    this.kid = kid;
    this.key = privateKey;
    this.jwk = { ...(await exportJWK(publicKey)), kid, alg: "EdDSA", use: "sig" };
  }

  async stop() {
    this.cut();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  sign(claims, header = {}, key = this.key) {
    const jwt = new SignJWT(claims).setProtectedHeader({ alg: "EdDSA", kid: this.kid, ...header });
    return jwt.sign(key, { crit: { x: true } });
  }

  token(claims = {}, header = {}, key = this.key) {
    const now = Math.floor(Date.now() / 1000);
    const usual = {
      iss: this.name, aud: AUDIENCE, sub: "0199c0de-0000-7000-8000-000000000001", iat: now, exp: now + 300,
      jti: Buffer.alloc(16, 7).toString("base64url"), sid: "0199c0de-0000-7000-8000-000000000002", gen: 3,
      sub_gen: 1, client_id: "keyfob", scope: "orders:read account:read", roles: ["user", "clerk"],
      auth_time: now - 100, acr: "aal1", amr: ["pwd"],
    };
    return this.sign({ ...usual, ...claims }, { typ: "at+jwt", ...header }, key);
  }

  document(after, entries, more = {}, header = {}, key = this.key) {
    const now = Math.floor(Date.now() / 1000);
    return this.sign(
      {
        iss: this.name, aud: `${this.name}/revocations`, iat: now, exp: now + 30, entries, more: false,
        position: `p${this.position}`, ...(after === undefined ? { complete: true } : { after }), ...more,
      },
      { typ: "revocations+jwt", ...header },
      key,
    );
  }

  /** Revoke something, and tell all streams. */
  async revoke(entry) {
    const exp = Math.floor(Date.now() / 1000) + 300;
    this.entries.push({ exp, ...entry });
    this.position += 1;
    const text = await this.document(`p${this.position - 1}`, [this.entries.at(-1)]);
    for (const stream of this.streams) this.send(stream, "revocations", text);
  }

  send(stream, event, text) {
    stream.write(`event: ${event}\nid: p${this.position}\ndata: ${text}\n\n`);
  }

  cut() {
    for (const stream of this.streams) stream.destroy();
    this.streams.clear();
  }

  async isExchange(request) {
    let text = "";
    for await (const piece of request) text += piece;
    const form = new URLSearchParams(text);
    this.shownKey = form.get("subject_token");
    return form.get("grant_type").endsWith("token-exchange") && form.get("resource") === AUDIENCE;
  }

  async answer(request, response) {
    const url = new URL(request.url, this.name);
    const json = (body, status = 200) => {
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if (this.down) return json({}, 503);
    switch (url.pathname) {
      case "/.well-known/oauth-authorization-server/auth":
        return json({
          issuer: this.name,
          token_endpoint: `${this.name}/oauth2/token`,
          keyfob_revocations_endpoint: `${this.name}/revocations`,
          keyfob_revocations_stream_endpoint: `${this.name}/revocations/stream`,
        });
      case "/auth/.well-known/jwks.json":
        this.keyFetches += 1;
        return json({ keys: [this.jwk, ...this.further] });
      case "/auth/oauth2/token":
        if (await this.isExchange(request)) {
          this.exchanges += 1;
          if (this.goodKey !== this.shownKey) return json({ error: "invalid_request" }, 400);
          const access_token = await this.token({ sid: KEY, gen: this.generation });
          return json({ access_token, token_type: "Bearer", expires_in: 300 });
        }
        return json({ access_token: "own", token_type: "Bearer", expires_in: 300 });
      case "/auth/revocations": {
        this.polls += 1;
        const after = url.searchParams.get("after") ?? undefined;
        const known = after === undefined ? 0 : Number(after.slice(1));
        response.setHeader("Content-Type", "application/jwt");
        return response.end(await this.document(after, this.entries.slice(known)));
      }
      case "/auth/revocations/stream": {
        if (this.streamless) return json({}, 503);
        const after = request.headers["last-event-id"];
        const known = after === undefined ? 0 : Number(after.slice(1));
        const first = await this.document(after, this.entries.slice(known));
        response.writeHead(200, { "Content-Type": "text/event-stream" });
        this.streams.add(response);
        response.on("close", () => this.streams.delete(response));
        return this.send(response, "revocations", first);
      }
      default:
        return json({}, 404);
    }
  }
}

export async function until(what, most = 10_000) {
  const end = Date.now() + most;
  while (!(await what())) {
    if (Date.now() > end) throw new Error(`not within ${most} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
