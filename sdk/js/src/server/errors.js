/**
 * @typedef {object} Kind A kind of refusal, as docs/verifying.md lists them.
 * @property {400 | 401 | 403} status
 * @property {string} code
 * @property {string} title
 */

/** @satisfies {Record<string, Kind>} */
export const KINDS = Object.freeze({
  noToken: { status: 401, code: "no_token", title: "An access token is needed" },
  requestNotValid: {
    status: 400,
    code: "invalid_request",
    title: "Present one access token, in the header Authorization",
  },
  invalidToken: { status: 401, code: "invalid_token", title: "The access token is not valid" },
  insufficientScope: {
    status: 403,
    code: "insufficient_scope",
    title: "The access token does not permit this",
  },
  // RFC 6750 has no other code for a lack of privileges.
  insufficientRole: { status: 403, code: "insufficient_scope", title: "The caller may not do this" },
  insufficientAuthentication: {
    status: 401,
    code: "insufficient_user_authentication",
    title: "A more recent or stronger sign-in is needed",
  },
});

/** A request that is refused. Its `message` is for your log; callers get `title` and `challenge()`. */
export class Refused extends Error {
  /**
   * @param {string} message
   * @param {Kind} [kind]
   * @param {{scope?: string, max_age?: number}} [parameters] further ones of the challenge
   */
  constructor(message, kind = KINDS.invalidToken, parameters = {}) {
    super(message);
    this.name = "Refused";
    this.status = kind.status;
    this.code = kind.code;
    this.title = kind.title;
    this.parameters = parameters;
  }

  /**
   * Write the challenge of RFC 6750 section 3, RFC 9470 section 3 and RFC 9728 section 5.1.
   * @param {string} [metadata] the URL of this service's protected resource metadata
   */
  challenge(metadata) {
    // Without a token it names no error (RFC 6750 section 3.1).
    const error = this.code === KINDS.noToken.code ? {} : { error: this.code, error_description: this.title };
    const about = metadata === undefined ? {} : { resource_metadata: metadata };
    const parts = Object.entries({ ...error, ...this.parameters, ...about });
    return `Bearer ${parts.map(([name, value]) => `${name}="${value}"`).join(", ")}`.trimEnd();
  }
}

/** It cannot be said whether the token is valid: answer 503, never 401. */
export class Unavailable extends Error {
  /** @param {string} message for your log */
  constructor(message) {
    super(message);
    this.name = "Unavailable";
    this.status = 503;
    this.code = "unavailable";
    this.title = "Access tokens cannot be verified now; try again soon";
  }
}
