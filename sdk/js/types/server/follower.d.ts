/** Follows the revocations of an issuer: by its stream, and by polling while there is none. */
export class Follower {
    /**
     * @param {Issuer} issuer
     * @param {Program} program
     * @param {(message: string) => void} log gets a line when the way of following changes
     */
    constructor(issuer: Issuer, program: Program, log: (message: string) => void);
    revoked: Revoked;
    /** The second of which everything that is revoked is known; 0 before the first. */
    knownOf: number;
    /** @type {"starting" | "streaming" | "polling"} */
    mode: "starting" | "streaming" | "polling";
    documents: number;
    faults: number;
    /**
     * The seconds for which nothing is known; Infinity before all is known once. Two clocks tell, and the
     * larger age counts, since that of the wall may be set back.
     */
    get behind(): number;
    /**
     * Wait until all that is revoked is known, but not longer than so many milliseconds. All who come
     * meanwhile wait for the same, so that a crowd leaves nothing behind.
     * @param {number} most
     * @returns {Promise<void>}
     */
    ready(most: number): Promise<void>;
    /** Stop following. */
    close(): Promise<void>;
    #private;
}
export type Issuer = import("./issuer.js").Issuer;
export type Program = import("./program.js").Program;
import { Revoked } from "./revoked.js";
