/**
 * @typedef {object} Options
 * @property {string} issuer The address of Keyfob, for example `https://id.example.com/auth`.
 * @property {string[]} [apis] The origins that `fetch` sends the access token to, besides the issuer's.
 * @property {Storage} [storage] Where the session is kept; `localStorage` unless given.
 */
/**
 * @typedef {object} Held What is kept of a session.
 * @property {string} access_token
 * @property {string} refresh_token
 * @property {string} session_id
 * @property {number} ends_at When the access token ends, in milliseconds since 1970.
 */
/** @typedef {{id: string, type: string, name: string}} Factor */
/** @typedef {{code: string} | {recovery_code: string} | {credential: unknown}} Proof */
/** A refusal of Keyfob: an RFC 9457 problem, or no answer at all (`status` 0). */
export class KeyfobError extends Error {
    /**
     * @param {number} status
     * @param {Record<string, any>} problem
     * @param {number | null} retryAfter
     */
    constructor(status: number, problem: Record<string, any>, retryAfter?: number | null);
    status: number;
    /** The name of the problem, as `invalid_credentials`. */
    code: string;
    problem: Record<string, any>;
    /** The seconds after which another attempt makes sense, if Keyfob said so. */
    retryAfter: number | null;
}
/** Nobody is signed in, or the session has ended, be it that another has begun meanwhile. */
export class SignedOut extends Error {
    /** @param {string} [message] */
    constructor(message?: string);
}
/** A sign-in that waits for a second factor; valid for `expiresIn` seconds, and for one success. */
export class PendingSignIn {
    /**
     * @param {Keyfob} keyfob
     * @param {Record<string, any>} problem
     */
    constructor(keyfob: Keyfob, problem: Record<string, any>);
    /** @type {Factor[]} */
    factors: Factor[];
    /** @type {number} */
    expiresIn: number;
    /**
     * Finish with a code of the authenticator, a recovery code, or an answer of a passkey.
     * @param {Proof} proof
     * @returns {Promise<void>}
     */
    finish(proof: Proof): Promise<void>;
    /**
     * Finish with a passkey or security key: the browser asks for it.
     * @returns {Promise<void>}
     */
    finishWithPasskey(): Promise<void>;
    #private;
}
/** The session of a person in this browser. */
export class Keyfob {
    /** @param {Options} options */
    constructor({ issuer, apis, storage }: Options);
    /** Whether somebody is signed in, as far as this browser knows. */
    get signedIn(): boolean;
    /**
     * The session, null if nobody is signed in. It differs once somebody has signed in anew.
     * @returns {string | null}
     */
    get sessionId(): string | null;
    /**
     * Call a listener whenever somebody signs in or out, in this tab or another.
     * @param {(signedIn: boolean) => void} listener
     * @returns {() => void} which ends it
     */
    onChange(listener: (signedIn: boolean) => void): () => void;
    /**
     * Sign in with a password.
     * @param {string} email
     * @param {string} password
     * @returns {Promise<PendingSignIn | null>} null if that was enough
     */
    signIn(email: string, password: string): Promise<PendingSignIn | null>;
    /**
     * Sign in with a passkey; with `mediation: "conditional"`, from the field of the address.
     * @param {{mediation?: CredentialMediationRequirement, signal?: AbortSignal}} [how]
     * @returns {Promise<void>}
     */
    signInWithPasskey(how?: {
        mediation?: CredentialMediationRequirement;
        signal?: AbortSignal;
    }): Promise<void>;
    /**
     * Register an account; it is signed in, unless Keyfob wants the address verified first.
     * @param {{email: string, password: string, name?: string}} account
     * @returns {Promise<boolean>} whether it is signed in
     */
    register(account: {
        email: string;
        password: string;
        name?: string;
    }): Promise<boolean>;
    /**
     * Sign out, in all tabs. The session is forgotten here even if Keyfob cannot be reached.
     * @param {{everywhere?: boolean}} [how] `everywhere`: all devices of the person
     * @returns {Promise<boolean>} whether Keyfob has ended it; if not, it lives until its time-out
     */
    signOut({ everywhere }?: {
        everywhere?: boolean;
    }): Promise<boolean>;
    /**
     * Return an access token that is valid for some seconds at least.
     * @returns {Promise<string>}
     * @throws {SignedOut} the session has ended
     */
    accessToken(): Promise<string>;
    /**
     * As `window.fetch`, with the access token; a refused one is renewed once.
     *
     * The token goes to the issuer and to `apis` alone, and never along a redirect.
     * @param {RequestInfo | URL} input
     * @param {RequestInit} [init]
     * @returns {Promise<Response>}
     * @throws {SignedOut} the session has ended; in another, the request is never sent again
     */
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /**
     * Call something of Keyfob's API, and return its JSON.
     * @param {string} method
     * @param {string} path below the issuer
     * @param {unknown} [body]
     * @param {string} [token]
     * @returns {Promise<any>}
     * @throws {KeyfobError}
     */
    call(method: string, path: string, body?: unknown, token?: string): Promise<any>;
    /**
     * Call what answers with tokens, and keep them. For `PendingSignIn`.
     * @param {string} path
     * @param {unknown} body
     */
    enter(path: string, body: unknown): Promise<void>;
    #private;
}
export type Options = {
    /**
     * The address of Keyfob, for example `https://id.example.com/auth`.
     */
    issuer: string;
    /**
     * The origins that `fetch` sends the access token to, besides the issuer's.
     */
    apis?: string[] | undefined;
    /**
     * Where the session is kept; `localStorage` unless given.
     */
    storage?: Storage | undefined;
};
/**
 * What is kept of a session.
 */
export type Held = {
    access_token: string;
    refresh_token: string;
    session_id: string;
    /**
     * When the access token ends, in milliseconds since 1970.
     */
    ends_at: number;
};
export type Factor = {
    id: string;
    type: string;
    name: string;
};
export type Proof = {
    code: string;
} | {
    recovery_code: string;
} | {
    credential: unknown;
};
