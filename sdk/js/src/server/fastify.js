import { answerTo, authorizationOf, shownBy } from "./answers.js";
import { checkNeeds } from "./needs.js";

/** @typedef {import("./verifier.js").Verifier} Verifier */
/** @typedef {import("./verifier.js").Needs} Needs */

/**
 * Return a `preHandler` for Fastify: it admits callers with a valid token, and sets `request.caller`.
 * @param {Verifier} verifier
 * @param {Needs & {metadata?: string, origin?: string}} [needs] `metadata`: the URL of your resource metadata;
 *   `origin`: scheme, host and port of this service as callers know them, to take tokens that are bound to a key
 * @throws {TypeError} a need is unknown, or has no value
 */
export function fastify(verifier, { metadata, origin, ...needs } = {}) {
  checkNeeds(needs);
  /**
   * @param {any} request
   * @param {any} reply
   */
  return async function keyfob(request, reply) {
    try {
      request.caller = await verifier.authenticate(authorizationOf(request.raw), needs, shownBy(request.raw, origin));
    } catch (fault) {
      const answer = answerTo(fault, metadata);
      if (answer === null) throw fault;
      return reply.code(answer.status).headers(answer.headers).send(answer.body);
    }
  };
}
