import { createRemoteJWKSet, decodeProtectedHeader, errors, jwtVerify } from "jose";
import { Refused, Unavailable } from "./errors.js";

const ALGORITHMS = ["EdDSA", "Ed25519", "ES256", "RS256"];
const PATIENCE = 5_000;
const LONGEST = 16 * 1024;
export const ACCESS_TOKEN = "at+jwt";
const FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/; // RFC 7515 section 3.1

/** What an issuer publishes: its metadata (RFC 8414), and its keys (RFC 7517). */
export class Issuer {
  #keys;
  /** @type {Promise<Record<string, any>> | null} */
  #metadata = null;

  /** @param {string} name its identifier, as tokens have it in `iss` */
  constructor(name) {
    const url = new URL(name);
    if (url.protocol !== "https:" && !["localhost", "127.0.0.1", "[::1]"].includes(url.hostname)) {
      throw new TypeError("The issuer must be https, except on this machine");
    }
    this.name = name;
    // Fetched once at a time, again for an unknown `kid`, and not more often than in 10 seconds.
    this.#keys = createRemoteJWKSet(new URL(`${name}/.well-known/jwks.json`), {
      cacheMaxAge: 300_000,
      cooldownDuration: 10_000,
      timeoutDuration: PATIENCE,
    });
  }

  /**
   * Return the metadata; fetched once, and again after a failure.
   * @returns {Promise<Record<string, any>>}
   */
  metadata() {
    this.#metadata ??= this.#fetchMetadata().catch((fault) => {
      this.#metadata = null;
      throw fault;
    });
    return this.#metadata;
  }

  async #fetchMetadata() {
    const url = new URL(this.name);
    const path = url.pathname.replace(/\/$/, "");
    const places = [
      `${url.origin}/.well-known/oauth-authorization-server${path}`,
      `${this.name}/.well-known/oauth-authorization-server`,
    ];
    for (const place of places) {
      const answer = await ask(place);
      const told = answer.ok ? await answer.json().catch(() => null) : null;
      // RFC 8414 section 3.3.
      if (told?.issuer === this.name) return told;
    }
    throw new Unavailable(`${this.name} has no metadata`);
  }

  /**
   * Verify the signature, the type and the registered claims of a JWT (RFC 8725).
   *
   * Its key has a name, by which it can be distrusted, and it lives no longer than a token of the issuer
   * does. Threat: whoever has an old key signs tokens for years.
   * @param {string} text
   * @param {{typ: string, audience: string | string[], required: string[], leeway: number, longestLife: number}} expected
   * @returns {Promise<{claims: Record<string, any>, kid: string}>}
   */
  async verify(text, { typ, audience, required, leeway, longestLife }) {
    try {
      const { payload, protectedHeader } = await jwtVerify(text, this.#keys, {
        algorithms: ALGORITHMS,
        typ,
        issuer: this.name,
        audience,
        requiredClaims: ["exp", "iat", ...required],
        clockTolerance: leeway,
      });
      const { iat, exp } = /** @type {{iat: number, exp: number}} */ (payload);
      if (iat > Date.now() / 1000 + leeway) throw new Refused("The token is of the future");
      if (exp - iat > longestLife + leeway) throw new Refused("The token lives too long");
      const { kid } = protectedHeader;
      if (typeof kid !== "string" || kid === "") throw new Refused("The token names no key");
      return { claims: payload, kid };
    } catch (fault) {
      if (fault instanceof Refused) throw fault;
      // What came from the issuer is at fault, or nothing came: that is no fault of the token.
      const isTheirs =
        !(fault instanceof errors.JOSEError) ||
        fault instanceof errors.JWKSTimeout ||
        fault instanceof errors.JWKSInvalid ||
        fault.code === "ERR_JOSE_GENERIC";
      if (isTheirs) throw new Unavailable(`The keys of ${this.name} cannot be had: ${fault}`);
      throw new Refused(/** @type {Error} */ (fault).message);
    }
  }
}

/**
 * Refuse what is no access token by its form alone, before anything is asked or waited for.
 * @param {unknown} text
 * @throws {Refused}
 */
export function ensureForm(text) {
  if (typeof text !== "string" || text.length > LONGEST) throw new Refused("The token is too long");
  if (!FORM.test(text)) throw new Refused("The token is no JWT");
  const { typ, kid } = headerOf(text);
  const type = typeof typ === "string" ? typ.toLowerCase().replace(/^application\//, "") : undefined;
  if (type !== ACCESS_TOKEN) throw new Refused("The token is of another type");
  if (typeof kid !== "string" || kid === "") throw new Refused("The token names no key");
}

/** @param {string} text */
function headerOf(text) {
  try {
    return decodeProtectedHeader(text);
  } catch {
    throw new Refused("The token has no header");
  }
}

/**
 * Fetch with a time-out, without following redirects.
 * @param {string} url
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 * @throws {Unavailable}
 */
export async function ask(url, init = {}) {
  try {
    return await fetch(url, { redirect: "error", signal: AbortSignal.timeout(PATIENCE), ...init });
  } catch (fault) {
    throw new Unavailable(`${url} does not answer: ${fault}`);
  }
}
