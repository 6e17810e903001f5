/** @typedef {import("./verifier.js").Needs} Needs */

/** @type {Record<string, (value: unknown) => boolean>} */
const KNOWN = { scope: isText, role: isText, maxAge: (value) => typeof value === "number" && value >= 0 };

/**
 * Refuse needs that ask for nothing, or not for what their author meant. Threat: one that is misspelt, or
 * comes of a variable that is not set, would let everybody in.
 * @param {Needs} needs
 * @throws {TypeError}
 */
export function checkNeeds(needs) {
  for (const [name, value] of Object.entries(needs)) {
    if (!Object.hasOwn(KNOWN, name)) throw new TypeError(`There is no need ${name}: scope, role and maxAge are`);
    if (!KNOWN[name](value)) throw new TypeError(`The need ${name} cannot be ${JSON.stringify(value)}`);
  }
}

/** @param {unknown} value */
function isText(value) {
  return typeof value === "string" && value !== "";
}
