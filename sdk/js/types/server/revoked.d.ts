/**
 * What is revoked, until the last token that it concerns has expired. A key is distrusted for ever: whoever
 * has it signs tokens that expire whenever they like.
 */
export class Revoked {
    get size(): number;
    /**
     * Add the entries of a document; the highest generation and the latest end count.
     * @param {Record<string, any>[]} entries
     */
    add(entries: Record<string, any>[]): void;
    /** Forget what no token can have any more. */
    tidy(): void;
    /**
     * Tell whether a key was compromised.
     * @param {string} kid
     */
    distrusts(kid: string): boolean;
    /**
     * Tell whether its key or one of the things that a token rests on is revoked.
     * @param {Record<string, any>} claims
     * @param {string} kid
     */
    kills(claims: Record<string, any>, kid: string): boolean;
    #private;
}
