import { answerTo, authorizationOf, shownBy } from "./answers.js";
import { checkNeeds } from "./needs.js";

/** @typedef {import("./verifier.js").Verifier} Verifier */
/** @typedef {import("./verifier.js").Needs} Needs */

/**
 * Return a middleware for Express: it admits callers with a valid token, and sets `request.caller`.
 * @param {Verifier} verifier
 * @param {Needs & {metadata?: string, origin?: string}} [needs] `metadata`: the URL of your resource metadata;
 *   `origin`: scheme, host and port of this service as callers know them, to take tokens that are bound to a key
 * @throws {TypeError} a need is unknown, or has no value
 */
export function express(verifier, { metadata, origin, ...needs } = {}) {
  checkNeeds(needs);
  /**
   * @param {any} request
   * @param {any} response
   * @param {(fault?: unknown) => void} next
   */
  return async function keyfob(request, response, next) {
    try {
      request.caller = await verifier.authenticate(authorizationOf(request), needs, shownBy(request, origin));
    } catch (fault) {
      const answer = answerTo(fault, metadata);
      if (answer === null) return next(fault);
      return response.status(answer.status).set(answer.headers).end(answer.body);
    }
    next();
  };
}
