/**
 * Return the one `Authorization` header of a request.
 * Threat: of two, two readers would each believe another.
 * @param {import("node:http").IncomingMessage} request
 * @throws {Refused}
 */
export function authorizationOf(request: import("node:http").IncomingMessage): string | undefined;
/**
 * Return how a request shows a token that is bound to a key; undefined if such tokens are not taken.
 * Threat: what a request says of itself in `Host` is what its sender likes. So the origin is told.
 * @param {import("node:http").IncomingMessage & {originalUrl?: string}} request
 * @param {string | undefined} origin
 * @returns {import("./proofs.js").Shown | undefined}
 */
export function shownBy(request: import("node:http").IncomingMessage & {
    originalUrl?: string;
}, origin: string | undefined): import("./proofs.js").Shown | undefined;
/**
 * Return the answer to a refusal (RFC 9457); null if the fault is none.
 * @param {unknown} fault
 * @param {string} [metadata]
 * @returns {{status: number, headers: Record<string, string>, body: Buffer} | null}
 */
export function answerTo(fault: unknown, metadata?: string): {
    status: number;
    headers: Record<string, string>;
    body: Buffer;
} | null;
