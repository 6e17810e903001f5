import { createHash } from "node:crypto";
import { KINDS, Refused, Unavailable } from "./errors.js";
import { Exchanges, isApiKey, remember } from "./exchanges.js";
import { Follower } from "./follower.js";
import { ACCESS_TOKEN, ensureForm, Issuer } from "./issuer.js";
import { checkNeeds } from "./needs.js";
import { Program } from "./program.js";
import { ensureProven, SeenHere } from "./proofs.js";

/** @typedef {import("./proofs.js").Shown} Shown */
/** @typedef {import("./proofs.js").Seen} Seen */

const FIRST_WAIT = 5_000;
const BELIEVED_FOR = 300; // seconds until the keys are asked again, which may have changed
const TOKEN = /^[\w.~+/-]+=*$/; // RFC 6750 section 2.1

/**
 * @typedef {object} Options
 * @property {string} issuer The issuer, as tokens have it in `iss`.
 * @property {string | string[]} audience This service, as tokens have it in `aud`. API keys are
 *   exchanged for tokens of the last one, which is then a resource of the client.
 * @property {{id: string, secret: string}} [client] This service as a client of Keyfob with the scope
 *   `revocations:read`; without it, revocations are not followed.
 * @property {Seen} [seen] Remembers the proofs of keys (DPoP), so that each counts once; by default those of
 *   this process. Several processes need one store for all.
 * @property {number} [leeway] Seconds by which clocks may differ.
 * @property {number} [longestLife] The most seconds between `iat` and `exp` of a token: Keyfob gives none for longer
 *   than an hour.
 * @property {number} [failOpenFor] Seconds without news of revocations after which nobody is let in.
 * @property {(message: string) => void} [log] Gets a line when the way of following changes.
 * @property {(fault: Refused | Unavailable) => void} [onRefused] Is told why a request is refused, in
 *   `message`, for your log.
 */

/**
 * @typedef {object} Caller Who a valid token speaks for.
 * @property {string} subject The id of the user, or of the client for a service account.
 * @property {string | undefined} clientId
 * @property {ReadonlySet<string>} scope
 * @property {readonly string[]} roles
 * @property {number | undefined} authTime When the user signed in, in seconds since 1970.
 * @property {string | undefined} acr
 * @property {readonly string[]} amr
 * @property {Readonly<Record<string, any>>} claims
 */

/** @typedef {{scope?: string, role?: string, maxAge?: number}} Needs */

/** Verifies access tokens (RFC 9068) without asking the issuer, and knows what was revoked. */
export class Verifier {
  #issuer;
  #audience;
  #leeway;
  #longestLife;
  #failOpenFor;
  #onRefused;
  #seen;
  /** @type {Map<string, {caller: Caller, kid: string, until: number}>} by digest */
  #known = new Map();
  /** @type {Exchanges | undefined} */
  #exchanges;

  /**
   * @param {Options} options
   * @throws {TypeError} one of them would let anybody in, such as no audience
   */
  constructor({
    issuer, audience, client, leeway = 10, longestLife = 3600, failOpenFor = 60, seen = new SeenHere(), log = console.warn, onRefused,
  }) {
    const names = [audience].flat();
    // Threat: of a variable that is not set, "no audience" would be made, which any token is for.
    if (names.length === 0 || !names.every((name) => typeof name === "string" && name !== "")) {
      throw new TypeError("An audience is needed: the name of this service, as tokens have it in aud");
    }
    for (const [option, seconds] of Object.entries({ leeway, longestLife, failOpenFor })) {
      if (typeof seconds !== "number" || !(seconds >= 0)) throw new TypeError(`${option} is a number of seconds`);
    }
    this.#issuer = new Issuer(issuer);
    this.#audience = audience;
    this.#leeway = leeway;
    this.#longestLife = longestLife;
    this.#failOpenFor = failOpenFor;
    this.#onRefused = onRefused;
    this.#seen = seen;
    const program = client && new Program(this.#issuer, client.id, client.secret);
    this.#exchanges = program && new Exchanges(program, /** @type {string} */ (names.at(-1)));
    /** @type {Follower | undefined} */
    this.revocations = program && new Follower(this.#issuer, program, log);
  }

  /** What `Verifier` counts, for metrics. */
  get numbers() {
    const { mode, behind, documents, faults, revoked } = this.revocations ?? {};
    return { remembered: this.#known.size, mode, behind, documents, faults, revoked: revoked?.size };
  }

  /** Stop following revocations. */
  async close() {
    await this.revocations?.close();
  }

  /**
   * Return the caller of a token or an API key, if it is valid and does not lack what is needed.
   *
   * A token that is bound to a key (`cnf`) is valid with the proof of that key alone (RFC 9449).
   * @param {string} token
   * @param {Needs} [needs]
   * @param {Shown} [shown] the request, whose header `DPoP` has the proof
   * @returns {Promise<Caller>}
   * @throws {Refused | Unavailable} or a TypeError: a need is unknown, or has no value
   */
  async verify(token, needs = {}, shown = undefined) {
    checkNeeds(needs);
    const isKey = isApiKey(token);
    if (!isKey) ensureForm(token);
    await this.#ensureInformed();
    const caller = await (isKey ? this.#callerOfKey(token) : this.#callerOf(token));
    // Each time: one from memory without its proof would be a bearer token (section 7.2).
    if (caller.claims.cnf !== undefined) {
      await ensureProven(token, caller.claims, shown, { seen: this.#seen, leeway: this.#leeway });
    }
    ensureEnough(caller, needs);
    return caller;
  }

  /**
   * Return the caller of an `Authorization` header: of the scheme `DPoP`, if `shown` tells the request.
   * @param {string | undefined} header
   * @param {Needs} [needs]
   * @param {Shown} [shown]
   */
  async authenticate(header, needs, shown) {
    try {
      const { scheme, token } = tokenIn(header, shown !== undefined);
      return await this.verify(token, needs, scheme === "dpop" ? shown : undefined);
    } catch (fault) {
      if (fault instanceof Refused || fault instanceof Unavailable) this.#onRefused?.(fault);
      throw fault;
    }
  }

  async #ensureInformed() {
    const following = this.revocations;
    if (following === undefined) return;
    if (following.behind === Infinity) await following.ready(FIRST_WAIT);
    if (following.behind > this.#failOpenFor + this.#leeway) {
      throw new Unavailable("It is not known what was revoked");
    }
  }

  /**
   * Return the caller of an API key. Its token may have been revoked while the key is good, as when a
   * role was given: then the key is exchanged once more, and refused for a while if that is of no use.
   * @param {string} key
   */
  async #callerOfKey(key) {
    const exchanges = this.#exchanges;
    if (exchanges === undefined) throw new Refused("API keys are not taken here");
    const text = await exchanges.find(key);
    try {
      return await this.#callerOf(text);
    } catch (fault) {
      if (!(fault instanceof Refused)) throw fault;
      exchanges.forget(key, text);
    }
    const next = await exchanges.find(key);
    try {
      return await this.#callerOf(next);
    } catch (fault) {
      if (fault instanceof Refused) exchanges.refuse(key);
      throw fault;
    }
  }

  /** @param {string} token */
  async #callerOf(token) {
    const digest = createHash("sha256").update(token).digest("base64");
    const { caller, kid } = this.#recall(digest) ?? (await this.#read(token, digest));
    if (this.revocations?.revoked.kills(caller.claims, kid)) {
      this.#known.delete(digest);
      throw new Refused("The token was revoked");
    }
    return caller;
  }

  /** @param {string} digest */
  #recall(digest) {
    const known = this.#known.get(digest);
    if (known === undefined || known.until > Date.now() / 1000) return known;
    this.#known.delete(digest);
    return undefined;
  }

  /**
   * @param {string} token
   * @param {string} digest
   */
  async #read(token, digest) {
    const { claims, kid } = await this.#issuer.verify(token, {
      typ: ACCESS_TOKEN,
      audience: this.#audience,
      required: ["sub"],
      leeway: this.#leeway,
      longestLife: this.#longestLife,
    });
    const until = Math.min(claims.exp + this.#leeway, Date.now() / 1000 + BELIEVED_FOR);
    const found = { caller: callerOf(claims), kid, until };
    remember(this.#known, digest, found);
    return found;
  }
}

/**
 * Return the scheme and the token of an `Authorization` header.
 * @param {string | undefined} header
 * @param {boolean} mayBeBound whether the scheme `DPoP` is taken, too
 */
function tokenIn(header, mayBeBound) {
  const [, named = "", rest = ""] = /^(\S+)(.*)$/s.exec(header?.trim() ?? "") ?? [];
  const scheme = named.toLowerCase();
  if (scheme !== "bearer" && !(mayBeBound && scheme === "dpop")) throw new Refused("There is no token", KINDS.noToken);
  if (!TOKEN.test(rest.trim())) throw new Refused("The token has letters that no token has");
  return { scheme, token: rest.trim() };
}

/**
 * @param {Record<string, any>} claims
 * @returns {Caller}
 */
function callerOf(claims) {
  return Object.freeze({
    subject: claims.sub,
    clientId: claims.client_id,
    scope: new Set(typeof claims.scope === "string" ? claims.scope.split(" ").filter(Boolean) : []),
    roles: Array.isArray(claims.roles) ? claims.roles : [],
    authTime: claims.auth_time,
    acr: claims.acr,
    amr: Array.isArray(claims.amr) ? claims.amr : [],
    claims: Object.freeze(claims),
  });
}

/**
 * @param {Caller} caller
 * @param {Needs} needs
 */
function ensureEnough(caller, { scope, role, maxAge }) {
  if (scope !== undefined && !caller.scope.has(scope)) {
    throw new Refused("The token lacks a scope", KINDS.insufficientScope, { scope });
  }
  if (role !== undefined && !caller.roles.includes(role)) {
    throw new Refused("The caller lacks a role", KINDS.insufficientRole);
  }
  if (maxAge !== undefined && !(Date.now() / 1000 - (caller.authTime ?? 0) <= maxAge)) {
    throw new Refused("The sign-in is too old", KINDS.insufficientAuthentication, { max_age: maxAge });
  }
}
