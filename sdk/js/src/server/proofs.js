import { createHash } from "node:crypto";
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from "jose";
import { KINDS, Refused } from "./errors.js";

const ALGORITHMS = ["EdDSA", "Ed25519", "ES256", "PS256"];
const FOREIGN = ["jku", "x5u", "x5c", "crit", "b64"];
const LONGEST = 4096;
const LONGEST_ID = 255;
const MAX_AGE = 60; // seconds
const SMALLEST_RSA_KEY = 2048; // bits

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
export class SeenHere {
  #most;
  /** @type {Map<string, number>} */
  #until = new Map();
  /** @type {Map<string, number>} how many there are of each key */
  #held = new Map();

  /** @param {number} [most] */
  constructor(most = 100_000) {
    this.#most = most;
  }

  /**
   * @param {string} name the thumbprint of the key, a space, and the id of the proof
   * @param {number} until
   */
  isNew(name, until) {
    const now = Date.now() / 1000;
    if ((this.#until.get(name) ?? 0) > now) return false;
    this.#forget(name);
    for (const [oldest, its] of this.#until) {
      if (its > now) break;
      this.#forget(oldest);
    }
    const key = keyIn(name);
    const held = this.#held.get(key) ?? 0;
    if (held >= this.#most - this.#until.size) return false;
    this.#held.set(key, held + 1);
    this.#until.set(name, until);
    return true;
  }

  /** @param {string} name */
  #forget(name) {
    if (!this.#until.delete(name)) return;
    const key = keyIn(name);
    const left = /** @type {number} */ (this.#held.get(key)) - 1;
    if (left > 0) this.#held.set(key, left);
    else this.#held.delete(key);
  }
}

/** @param {string} name */
function keyIn(name) {
  return name.split(" ", 1)[0];
}

/**
 * Check that a request proves the key that its token is bound to (RFC 9449 section 4.3).
 * @param {string} token
 * @param {Record<string, any>} claims those of the token
 * @param {Shown | undefined} shown
 * @param {{seen: Seen, leeway: number}} options
 * @throws {Refused}
 */
export async function ensureProven(token, claims, shown, { seen, leeway }) {
  if (shown === undefined) throw new Refused("The token is bound to a key", KINDS.invalidToken);
  const jkt = claims.cnf?.jkt;
  const proof = await read([shown.proof ?? []].flat(), jkt);
  const now = Date.now() / 1000;
  const fits = {
    htm: proof.htm === shown.method,
    htu: isSame(proof.htu, shown.url),
    ath: proof.ath === createHash("sha256").update(token).digest("base64url"),
    jti: typeof proof.jti === "string" && proof.jti !== "" && proof.jti.length <= LONGEST_ID,
    iat: typeof proof.iat === "number" && proof.iat >= now - MAX_AGE && proof.iat <= now + leeway,
  };
  for (const [name, isSo] of Object.entries(fits)) {
    if (!isSo) throw new Refused(`The proof of the key does not fit: ${name}`);
  }
  if (!(await seen.isNew(`${jkt} ${proof.jti}`, now + MAX_AGE + leeway))) {
    throw new Refused("The proof of the key was used before");
  }
}

/**
 * Return the claims of the one proof, which the key with this thumbprint has signed. The key comes
 * first. Threat: one that takes long to verify with, of anybody's making.
 * @param {string[]} given
 * @param {string} jkt
 * @returns {Promise<Record<string, any>>}
 */
async function read(given, jkt) {
  if (given.length !== 1 || given[0].length > LONGEST) throw new Refused("There is not one proof of the key");
  try {
    const { jwk } = decodeProtectedHeader(given[0]);
    if (jwk === undefined || (await calculateJwkThumbprint(jwk)) !== jkt) throw new Refused("The proof of the key does not fit: cnf");
    const { payload, protectedHeader, key } = await jwtVerify(given[0], EmbeddedJWK, { algorithms: ALGORITHMS, typ: "dpop+jwt" });
    if (FOREIGN.some((name) => name in protectedHeader)) throw new Refused("The proof names other keys");
    const { modulusLength } = /** @type {any} */ (key).algorithm ?? {};
    if (modulusLength !== undefined && modulusLength < SMALLEST_RSA_KEY) throw new Refused("The key is too short");
    return payload;
  } catch (fault) {
    if (fault instanceof Refused) throw fault;
    // Of whatever kind: libraries throw their own for keys that are none.
    throw new Refused(`The proof of the key is not valid: ${fault instanceof Error ? fault.message : fault}`);
  }
}

/**
 * Tell whether an `htu` is a URL, whatever its query and fragment.
 * @param {unknown} htu
 * @param {string} url
 */
function isSame(htu, url) {
  if (typeof htu !== "string" || !URL.canParse(htu) || !URL.canParse(url)) return false;
  const [named, own] = [new URL(htu), new URL(url)];
  return named.origin === own.origin && named.origin !== "null" && named.pathname === own.pathname && named.username + named.password === "";
}
