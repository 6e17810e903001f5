/** A token that is not valid, or not enough. `status` and `challenge` are what to answer with. */
export class Refused extends Error {
  /**
   * @param {string} message
   * @param {{status?: 401 | 403, error?: string, scope?: string, maxAge?: number}} [how]
   */
  constructor(message, { status = 401, error = "invalid_token", scope, maxAge } = {}) {
    super(message);
    this.name = "Refused";
    this.status = status;
    this.error = error;
    this.scope = scope;
    this.maxAge = maxAge;
  }

  /**
   * Write the challenge of RFC 6750 section 3, RFC 9470 section 3 and RFC 9728 section 5.1.
   * @param {string} [metadata] the URL of this service's protected resource metadata
   */
  challenge(metadata) {
    const parts = [];
    if (this.error) parts.push(`error="${this.error}"`);
    if (this.scope !== undefined) parts.push(`scope="${this.scope}"`);
    if (this.maxAge !== undefined) parts.push(`max_age="${this.maxAge}"`);
    if (metadata !== undefined) parts.push(`resource_metadata="${metadata}"`);
    return parts.length ? `Bearer ${parts.join(", ")}` : "Bearer";
  }
}

/** Nobody can tell whether the token is valid: answer 503, never 401. */
export class Unavailable extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "Unavailable";
    this.status = 503;
  }
}
