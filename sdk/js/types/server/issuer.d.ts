/**
 * Fetch with a time-out, without following redirects.
 * @param {string} url
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 * @throws {Unavailable}
 */
export function ask(url: string, init?: RequestInit): Promise<Response>;
/** What an issuer publishes: its metadata (RFC 8414), and its keys (RFC 7517). */
export class Issuer {
    /** @param {string} name its identifier, as tokens have it in `iss` */
    constructor(name: string);
    name: string;
    /**
     * Return the metadata; fetched once, and again after a failure.
     * @returns {Promise<Record<string, any>>}
     */
    metadata(): Promise<Record<string, any>>;
    /**
     * Verify the signature, the type and the registered claims of a JWT (RFC 8725).
     * @param {string} text
     * @param {{typ: string, audience: string | string[], required: string[], leeway: number}} expected
     * @returns {Promise<{claims: Record<string, any>, kid: string}>}
     */
    verify(text: string, { typ, audience, required, leeway }: {
        typ: string;
        audience: string | string[];
        required: string[];
        leeway: number;
    }): Promise<{
        claims: Record<string, any>;
        kid: string;
    }>;
    #private;
}
