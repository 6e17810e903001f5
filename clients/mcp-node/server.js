// An MCP server with one tool, for who has a token of Keyfob's that is for this server.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import express from "express";
import { createRemoteJWKSet, jwtVerify } from "jose";

const RESOURCE_METADATA = "/.well-known/oauth-protected-resource/mcp";

function toolsFor(user) {
  const server = new McpServer({ name: "notes", version: "1.0.0" });
  server.registerTool("who-am-i", { description: "Whose notes these are" }, () => ({
    content: [{ type: "text", text: user }],
  }));
  return server;
}

export function serve(url, issuer) {
  const { origin, port, pathname } = new URL(url);
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  const verifier = {
    async verifyAccessToken(token) {
      try {
        const { payload } = await jwtVerify(token, keys, { issuer, audience: url, typ: "at+jwt" });
        const { client_id: clientId, scope = "", exp: expiresAt, sub } = payload;
        return { token, clientId, scopes: scope.split(" "), expiresAt, extra: { sub } };
      } catch (fault) {
        throw new InvalidTokenError(fault.message);
      }
    },
  };
  const guarded = requireBearerAuth({
    verifier, requiredScopes: ["notes:read"], resourceMetadataUrl: origin + RESOURCE_METADATA,
  });
  const app = express();
  app.get(RESOURCE_METADATA, (_, answer) => answer.json({
    resource: url, authorization_servers: [issuer], scopes_supported: ["notes:read"],
  }));
  app.post(pathname, guarded, express.json(), async (request, answer) => {
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    await toolsFor(request.auth.extra.sub).connect(transport);
    await transport.handleRequest(request, answer, request.body);
  });
  return new Promise((resolve) => {
    const listening = app.listen(Number(port), "127.0.0.1", () => resolve(listening));
  });
}
