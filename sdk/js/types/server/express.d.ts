/** @typedef {import("./verifier.js").Verifier} Verifier */
/** @typedef {import("./verifier.js").Needs} Needs */
/**
 * Return a middleware for Express: it admits callers with a valid token, and sets `request.caller`.
 * @param {Verifier} verifier
 * @param {Needs & {metadata?: string, origin?: string}} [needs] `metadata`: the URL of your resource metadata;
 *   `origin`: scheme, host and port of this service as callers know them, to take tokens that are bound to a key
 * @throws {TypeError} a need is unknown, or has no value
 */
export function express(verifier: Verifier, { metadata, origin, ...needs }?: Needs & {
    metadata?: string;
    origin?: string;
}): (request: any, response: any, next: (fault?: unknown) => void) => Promise<any>;
export type Verifier = import("./verifier.js").Verifier;
export type Needs = import("./verifier.js").Needs;
