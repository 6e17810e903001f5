/**
 * Check that a request proves the key that its token is bound to (RFC 9449 section 4.3).
 * @param {string} token
 * @param {Record<string, any>} claims those of the token
 * @param {Shown | undefined} shown
 * @param {{seen: Seen, leeway: number}} options
 * @throws {Refused}
 */
export function ensureProven(token: string, claims: Record<string, any>, shown: Shown | undefined, { seen, leeway }: {
    seen: Seen;
    leeway: number;
}): Promise<void>;
/**
 * @typedef {object} Shown A request that shows a token which is bound to a key.
 * @property {string} method
 * @property {string} url The URL as callers know it, and never made of the header `Host`.
 * @property {string | string[] | undefined} proof The header `DPoP`.
 */
/**
 * @typedef {object} Seen Remembers proofs, so that each counts once.
 * @property {(name: string, until: number) => boolean | Promise<boolean>} isNew Remembers a name until
 *   a time, in seconds since 1970; false if it is remembered already. Of two calls at once with the
 *   same name, one alone gets true.
 */
/**
 * Remembers proofs in this process, at most so many. None is forgotten while it counts. Threat: a caller with a
 * token of its own has a proof of somebody else forgotten, and shows it. Nor does a key have more of them than there
 * are places free, so that others find one. Threat: proofs of one key leave no place for those of others.
 * @implements {Seen}
 */
export class SeenHere implements Seen {
    /** @param {number} [most] */
    constructor(most?: number);
    /**
     * @param {string} name the thumbprint of the key, a space, and the id of the proof
     * @param {number} until
     */
    isNew(name: string, until: number): boolean;
    #private;
}
/**
 * A request that shows a token which is bound to a key.
 */
export type Shown = {
    method: string;
    /**
     * The URL as callers know it, and never made of the header `Host`.
     */
    url: string;
    /**
     * The header `DPoP`.
     */
    proof: string | string[] | undefined;
};
/**
 * Remembers proofs, so that each counts once.
 */
export type Seen = {
    /**
     * Remembers a name until
     * a time, in seconds since 1970; false if it is remembered already. Of two calls at once with the
     * same name, one alone gets true.
     */
    isNew: (name: string, until: number) => boolean | Promise<boolean>;
};
