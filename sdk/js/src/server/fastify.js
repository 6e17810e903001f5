import { answerTo, authorizationOf } from "./answers.js";
import { checkNeeds } from "./needs.js";

/** @typedef {import("./verifier.js").Verifier} Verifier */
/** @typedef {import("./verifier.js").Needs} Needs */

/**
 * Return a `preHandler` for Fastify: it admits callers with a valid token, and sets `request.caller`.
 * @param {Verifier} verifier
 * @param {Needs & {metadata?: string}} [needs] `metadata`: the URL of your resource metadata
 * @throws {TypeError} a need is unknown, or has no value
 */
export function fastify(verifier, { metadata, ...needs } = {}) {
  checkNeeds(needs);
  /**
   * @param {any} request
   * @param {any} reply
   */
  return async function keyfob(request, reply) {
    try {
      request.caller = await verifier.authenticate(authorizationOf(request.raw), needs);
    } catch (fault) {
      const answer = answerTo(fault, metadata);
      if (answer === null) throw fault;
      return reply.code(answer.status).headers(answer.headers).send(answer.body);
    }
  };
}
