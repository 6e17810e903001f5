/**
 * Refuse needs that ask for nothing, or not for what their author meant. Threat: one that is misspelt, or
 * comes of a variable that is not set, would let everybody in.
 * @param {Needs} needs
 * @throws {TypeError}
 */
export function checkNeeds(needs: Needs): void;
export type Needs = import("./verifier.js").Needs;
