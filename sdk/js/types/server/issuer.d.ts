/**
 * Refuse what is no access token by its form alone, before anything is asked or waited for.
 * @param {unknown} text
 * @throws {Refused}
 */
export function ensureForm(text: unknown): void;
/**
 * Fetch with a time-out, without following redirects.
 * @param {string} url
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 * @throws {Unavailable}
 */
export function ask(url: string, init?: RequestInit): Promise<Response>;
export const ACCESS_TOKEN: "at+jwt";
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
     *
     * Its key has a name, by which it can be distrusted, and it lives no longer than a token of the issuer
     * does. Threat: whoever has an old key signs tokens for years.
     * @param {string} text
     * @param {{typ: string, audience: string | string[], required: string[], leeway: number, longestLife: number}} expected
     * @returns {Promise<{claims: Record<string, any>, kid: string}>}
     */
    verify(text: string, { typ, audience, required, leeway, longestLife }: {
        typ: string;
        audience: string | string[];
        required: string[];
        leeway: number;
        longestLife: number;
    }): Promise<{
        claims: Record<string, any>;
        kid: string;
    }>;
    #private;
}
