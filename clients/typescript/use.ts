// What a TypeScript program does with the generated types.
import assert from "node:assert";
import createClient from "openapi-fetch";
import type { paths } from "./keyfob.js";

const { KEYFOB_URL: baseUrl, KEYFOB_EMAIL: email = "", KEYFOB_SECRET: password = "" } = process.env;
const client = createClient<paths>({ baseUrl });

const registered = await client.POST("/register", { body: { email, password, name: "Zoë Żółć" } });
assert.ok(registered.data && "access_token" in registered.data);
const headers = { Authorization: `Bearer ${registered.data.access_token}` };

const me = await client.GET("/me", { headers });
assert.equal(me.data?.name, "Zoë Żółć");
const role: string | undefined = me.data?.role;
assert.equal(role, "user");
const sessions = await client.GET("/me/sessions", { headers });
assert.equal(sessions.data?.length, 1);
const logins = await client.GET("/me/logins", { headers });
assert.equal(logins.data?.[0]?.reason, "registered");
const left = await client.DELETE("/logout", { headers });
assert.equal(left.response.status, 204);
const refused = await client.GET("/me", { headers });
assert.equal(refused.error?.code, "invalid_token");
