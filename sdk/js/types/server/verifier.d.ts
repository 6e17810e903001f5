/**
 * @typedef {object} Options
 * @property {string} issuer The issuer, as tokens have it in `iss`.
 * @property {string | string[]} audience This service, as tokens have it in `aud`. API keys are
 *   exchanged for tokens of the last one, which is then a resource of the client.
 * @property {{id: string, secret: string}} [client] This service as a client of Keyfob with the scope
 *   `revocations:read`; without it, revocations are not followed.
 * @property {Seen} [seen] Remembers the proofs of keys (DPoP), so that each counts once; by default those of
 *   this process. Several processes need one store for all.
 * @property {number} [leeway] Seconds by which clocks may differ.
 * @property {number} [longestLife] The most seconds between `iat` and `exp` of a token: Keyfob gives none for longer
 *   than an hour.
 * @property {number} [failOpenFor] Seconds without news of revocations after which nobody is let in.
 * @property {(message: string) => void} [log] Gets a line when the way of following changes.
 * @property {(fault: Refused | Unavailable) => void} [onRefused] Is told why a request is refused, in
 *   `message`, for your log.
 */
/**
 * @typedef {object} Caller Who a valid token speaks for.
 * @property {string} subject The id of the user, or of the client for a service account.
 * @property {string | undefined} clientId
 * @property {ReadonlySet<string>} scope
 * @property {readonly string[]} roles
 * @property {number | undefined} authTime When the user signed in, in seconds since 1970.
 * @property {string | undefined} acr
 * @property {readonly string[]} amr
 * @property {Readonly<Record<string, any>>} claims
 */
/** @typedef {{scope?: string, role?: string, maxAge?: number}} Needs */
/** Verifies access tokens (RFC 9068) without asking the issuer, and knows what was revoked. */
export class Verifier {
    /**
     * @param {Options} options
     * @throws {TypeError} one of them would let anybody in, such as no audience
     */
    constructor({ issuer, audience, client, leeway, longestLife, failOpenFor, seen, log, onRefused, }: Options);
    /** @type {Follower | undefined} */
    revocations: Follower | undefined;
    /** What `Verifier` counts, for metrics. */
    get numbers(): {
        remembered: number;
        mode: "starting" | "streaming" | "polling" | undefined;
        behind: number | undefined;
        documents: number | undefined;
        faults: number | undefined;
        revoked: number | undefined;
    };
    /** Stop following revocations. */
    close(): Promise<void>;
    /**
     * Return the caller of a token or an API key, if it is valid and does not lack what is needed.
     *
     * A token that is bound to a key (`cnf`) is valid with the proof of that key alone (RFC 9449).
     * @param {string} token
     * @param {Needs} [needs]
     * @param {Shown} [shown] the request, whose header `DPoP` has the proof
     * @returns {Promise<Caller>}
     * @throws {Refused | Unavailable} or a TypeError: a need is unknown, or has no value
     */
    verify(token: string, needs?: Needs, shown?: Shown): Promise<Caller>;
    /**
     * Return the caller of an `Authorization` header: of the scheme `DPoP`, if `shown` tells the request.
     * @param {string | undefined} header
     * @param {Needs} [needs]
     * @param {Shown} [shown]
     */
    authenticate(header: string | undefined, needs?: Needs, shown?: Shown): Promise<Caller>;
    #private;
}
export type Shown = import("./proofs.js").Shown;
export type Seen = import("./proofs.js").Seen;
export type Options = {
    /**
     * The issuer, as tokens have it in `iss`.
     */
    issuer: string;
    /**
     * This service, as tokens have it in `aud`. API keys are
     * exchanged for tokens of the last one, which is then a resource of the client.
     */
    audience: string | string[];
    /**
     * This service as a client of Keyfob with the scope
     * `revocations:read`; without it, revocations are not followed.
     */
    client?: {
        id: string;
        secret: string;
    } | undefined;
    /**
     * Remembers the proofs of keys (DPoP), so that each counts once; by default those of
     * this process. Several processes need one store for all.
     */
    seen?: import("./proofs.js").Seen | undefined;
    /**
     * Seconds by which clocks may differ.
     */
    leeway?: number | undefined;
    /**
     * The most seconds between `iat` and `exp` of a token: Keyfob gives none for longer
     * than an hour.
     */
    longestLife?: number | undefined;
    /**
     * Seconds without news of revocations after which nobody is let in.
     */
    failOpenFor?: number | undefined;
    /**
     * Gets a line when the way of following changes.
     */
    log?: ((message: string) => void) | undefined;
    /**
     * Is told why a request is refused, in
     * `message`, for your log.
     */
    onRefused?: ((fault: Refused | Unavailable) => void) | undefined;
};
/**
 * Who a valid token speaks for.
 */
export type Caller = {
    /**
     * The id of the user, or of the client for a service account.
     */
    subject: string;
    clientId: string | undefined;
    scope: ReadonlySet<string>;
    roles: readonly string[];
    /**
     * When the user signed in, in seconds since 1970.
     */
    authTime: number | undefined;
    acr: string | undefined;
    amr: readonly string[];
    claims: Readonly<Record<string, any>>;
};
export type Needs = {
    scope?: string;
    role?: string;
    maxAge?: number;
};
import { Follower } from "./follower.js";
import { Refused } from "./errors.js";
import { Unavailable } from "./errors.js";
