/**
 * Tell whether a text is an API key that was not mistyped: it ends in a CRC-32, in base62.
 * @param {string} text
 */
export function isApiKey(text: string): boolean;
/**
 * Write an entry as the newest; the oldest goes if there are too many.
 * @template T
 * @param {Map<string, T>} memory
 * @param {string} name
 * @param {T} value
 * @param {number} [most]
 */
export function remember<T>(memory: Map<string, T>, name: string, value: T, most?: number): void;
/**
 * Exchanges API keys for access tokens, and remembers these by digest. Threat: a stranger shows keys
 * that nobody made, whose checksum is right. Their refusals are remembered apart, and a key that was
 * good before waits for none of them.
 */
export class Exchanges {
    /**
     * @param {Program} program
     * @param {string} audience
     * @param {{most?: number, longestWait?: number}} [limits]
     */
    constructor(program: Program, audience: string, { most, longestWait }?: {
        most?: number;
        longestWait?: number;
    });
    /**
     * Return the access token of a key: asked for once, and kept until it ends.
     * @param {string} key
     * @returns {Promise<string>}
     * @throws {Refused | Unavailable}
     */
    find(key: string): Promise<string>;
    /**
     * Forget what a key was exchanged for, if that is still remembered.
     * @param {string} key
     * @param {string} text its access token, which is of no use any more
     */
    forget(key: string, text: string): void;
    /**
     * Refuse a key for a while: what it is exchanged for is not believed here.
     * @param {string} key
     */
    refuse(key: string): void;
    #private;
}
export type Program = import("./program.js").Program;
