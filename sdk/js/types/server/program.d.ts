/** @typedef {import("./issuer.js").Issuer} Issuer */
/** This service as a client of Keyfob: its own access token, renewed early and once at a time. */
export class Program {
    /**
     * @param {Issuer} issuer
     * @param {string} id
     * @param {string} secret
     */
    constructor(issuer: Issuer, id: string, secret: string);
    id: string;
    /**
     * Return an access token for Keyfob's own API.
     * @returns {Promise<string>}
     */
    accessToken(): Promise<string>;
    /** Forget the access token, because it was refused. */
    forget(): void;
    /**
     * Exchange an API key for an access token of an audience (RFC 8693).
     * @param {string} key
     * @param {string} audience
     * @returns {Promise<{text: string, endsAt: number}>}
     * @throws {Refused}
     */
    exchange(key: string, audience: string): Promise<{
        text: string;
        endsAt: number;
    }>;
    /**
     * Send a form to an endpoint that the metadata names, and return its JSON.
     * @param {string} endpoint
     * @param {Record<string, string>} form
     * @returns {Promise<any>}
     */
    post(endpoint: string, form: Record<string, string>): Promise<any>;
    #private;
}
export type Issuer = import("./issuer.js").Issuer;
