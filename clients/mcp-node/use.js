// A client of MCP goes from 401 to the call of a tool: by a document of its own, and by registering itself.
import assert from "node:assert";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { allow } from "./person.js";
import { serve } from "./server.js";

const { KEYFOB_URL: issuer, KEYFOB_ADMIN_PASSWORD: password } = process.env;
const email = "admin@example.com";
const SERVER = "http://127.0.0.1:9317/mcp";
const DOCUMENT = "https://localhost:9318/client.json";
const CALLBACK = "http://127.0.0.1:51004/callback";
const metadata = {
  client_name: "Editor", redirect_uris: ["http://127.0.0.1/callback"], application_type: "native",
  grant_types: ["authorization_code", "refresh_token"], response_types: ["code"],
  token_endpoint_auth_method: "none",
};

async function call(method, path, body, headers = {}) {
  const answer = await fetch(`${issuer}/${path}`, {
    method, headers: { "Content-Type": "application/json", ...headers }, body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

// What an administrator does once: the API and its scope, and a role of who may read notes.
const { access_token: own } = await call("POST", "login", { email, password });
const admin = { Authorization: `Bearer ${own}` };
const me = await call("GET", "me", undefined, admin);
await call("POST", "admin/resources", { identifier: SERVER, name: "Notes", scopes: { "notes:read": { en: "Read notes" } } }, admin);
await call("POST", "admin/roles", { name: "reader", permissions: ["notes:read"] }, admin);
await call("POST", `admin/users/${me.id}/roles`, { role: "reader" }, admin);

class Provider {
  redirectUrl = CALLBACK;
  clientMetadata = { ...metadata, redirect_uris: [CALLBACK] };
  #state = crypto.randomUUID();
  constructor(document) { if (document) this.clientMetadataUrl = document; }
  state() { return this.#state; }
  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.given; }
  saveTokens(tokens) { this.given = tokens; }
  codeVerifier() { return this.verifier; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  async redirectToAuthorization(url) {
    const came = new URL(await allow(url, CALLBACK, email, password));
    assert.equal(came.searchParams.get("state"), this.#state);
    assert.equal(came.searchParams.get("iss"), issuer);
    this.code = came.searchParams.get("code");
    assert.ok(this.code, came.href);
  }
}

async function use(provider) {
  const transport = () => new StreamableHTTPClientTransport(new URL(SERVER), { authProvider: provider });
  const first = transport();
  await assert.rejects(new Client({ name: "editor", version: "1.0.0" }).connect(first), UnauthorizedError);
  await first.finishAuth(provider.code);
  const client = new Client({ name: "editor", version: "1.0.0" });
  await client.connect(transport());
  const { content } = await client.callTool({ name: "who-am-i" });
  assert.equal(content[0].text, me.id);
  await client.close();

  // Its token is for this server alone, and the next one comes without its user.
  const elsewhere = await fetch(`${issuer}/me`, { headers: { Authorization: `Bearer ${provider.given.access_token}` } });
  assert.equal(elsewhere.status, 401);
  provider.given = { ...provider.given, access_token: "expired" };
  const again = new Client({ name: "editor", version: "1.0.0" });
  await again.connect(transport());
  await again.close();
}

const document = JSON.stringify({ client_id: DOCUMENT, ...metadata });
const tls = { key: readFileSync("../key.pem"), cert: readFileSync("../certificate.pem") };
const published = createServer(tls, (_, answer) => {
  answer.setHeader("Content-Type", "application/json").end(document);
}).listen(9318, "localhost");
const listening = await serve(SERVER, issuer);
try {
  const described = new Provider(DOCUMENT);
  await use(described);
  assert.equal(described.client.client_id, DOCUMENT);
  const registered = new Provider();
  await use(registered);
  assert.match(registered.client.client_id, /^[0-9a-f-]{36}$/);
} finally {
  published.close();
  listening.close();
}
