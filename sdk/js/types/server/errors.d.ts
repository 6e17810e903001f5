/**
 * @typedef {object} Kind A kind of refusal, as docs/verifying.md lists them.
 * @property {400 | 401 | 403} status
 * @property {string} code
 * @property {string} title
 */
/** @satisfies {Record<string, Kind>} */
export const KINDS: Readonly<{
    noToken: {
        status: 401;
        code: string;
        title: string;
    };
    requestNotValid: {
        status: 400;
        code: string;
        title: string;
    };
    invalidToken: {
        status: 401;
        code: string;
        title: string;
    };
    insufficientScope: {
        status: 403;
        code: string;
        title: string;
    };
    insufficientRole: {
        status: 403;
        code: string;
        title: string;
    };
    insufficientAuthentication: {
        status: 401;
        code: string;
        title: string;
    };
}>;
/** A request that is refused. Its `message` is for your log; callers get `title` and `challenge()`. */
export class Refused extends Error {
    /**
     * @param {string} message
     * @param {Kind} [kind]
     * @param {{scope?: string, max_age?: number}} [parameters] further ones of the challenge
     */
    constructor(message: string, kind?: Kind, parameters?: {
        scope?: string;
        max_age?: number;
    });
    status: 401 | 400 | 403;
    code: string;
    title: string;
    parameters: {
        scope?: string;
        max_age?: number;
    };
    /**
     * Write the challenge of RFC 6750 section 3, RFC 9470 section 3 and RFC 9728 section 5.1.
     * @param {string} [metadata] the URL of this service's protected resource metadata
     */
    challenge(metadata?: string): string;
}
/** It cannot be said whether the token is valid: answer 503, never 401. */
export class Unavailable extends Error {
    /** @param {string} message for your log */
    constructor(message: string);
    status: number;
    code: string;
    title: string;
}
/**
 * A kind of refusal, as docs/verifying.md lists them.
 */
export type Kind = {
    status: 400 | 401 | 403;
    code: string;
    title: string;
};
