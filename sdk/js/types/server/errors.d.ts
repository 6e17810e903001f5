/** A token that is not valid, or not enough. `status` and `challenge` are what to answer with. */
export class Refused extends Error {
    /**
     * @param {string} message
     * @param {{status?: 401 | 403, error?: string, scope?: string, maxAge?: number}} [how]
     */
    constructor(message: string, { status, error, scope, maxAge }?: {
        status?: 401 | 403;
        error?: string;
        scope?: string;
        maxAge?: number;
    });
    status: 401 | 403;
    error: string;
    scope: string | undefined;
    maxAge: number | undefined;
    /**
     * Write the challenge of RFC 6750 section 3, RFC 9470 section 3 and RFC 9728 section 5.1.
     * @param {string} [metadata] the URL of this service's protected resource metadata
     */
    challenge(metadata?: string): string;
}
/** Nobody can tell whether the token is valid: answer 503, never 401. */
export class Unavailable extends Error {
    /** @param {string} message */
    constructor(message: string);
    status: number;
}
