import { KINDS, Refused, Unavailable } from "./errors.js";

const SOON = "5"; // seconds

/**
 * Return the one `Authorization` header of a request.
 * Threat: of two, two readers would each believe another.
 * @param {import("node:http").IncomingMessage} request
 * @throws {Refused}
 */
export function authorizationOf(request) {
  const { rawHeaders, headers } = request;
  const count = rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === "authorization").length;
  if (count > 1) throw new Refused("There are two Authorization headers", KINDS.requestNotValid);
  return headers.authorization;
}

/**
 * Return how a request shows a token that is bound to a key; undefined if such tokens are not taken.
 * Threat: what a request says of itself in `Host` is what its sender likes. So the origin is told.
 * @param {import("node:http").IncomingMessage & {originalUrl?: string}} request
 * @param {string | undefined} origin
 * @returns {import("./proofs.js").Shown | undefined}
 */
export function shownBy(request, origin) {
  if (origin === undefined) return undefined;
  const { method = "", url = "", originalUrl = url, headers } = request;
  return { method, url: `${new URL(origin).origin}${originalUrl}`, proof: headers.dpop };
}

/**
 * Return the answer to a refusal (RFC 9457); null if the fault is none.
 * @param {unknown} fault
 * @param {string} [metadata]
 * @returns {{status: number, headers: Record<string, string>, body: Buffer} | null}
 */
export function answerTo(fault, metadata) {
  const headers = { "Content-Type": "application/problem+json", "Cache-Control": "no-store" };
  if (fault instanceof Refused) {
    const challenge = { "WWW-Authenticate": fault.challenge(metadata) };
    return { status: fault.status, headers: { ...headers, ...challenge }, body: problemOf(fault, fault.parameters) };
  }
  if (fault instanceof Unavailable) {
    return { status: fault.status, headers: { ...headers, "Retry-After": SOON }, body: problemOf(fault, {}) };
  }
  return null;
}

/**
 * @param {Refused | Unavailable} fault
 * @param {object} parameters
 */
function problemOf({ title, status, code }, parameters) {
  return Buffer.from(JSON.stringify({ type: "about:blank", title, status, code, ...parameters }));
}
