/**
 * Sign-in with Keyfob in a browser: one session for all tabs, renewed by one of them at a time.
 *
 * Threat: whatever script runs in the page can read what `storage` keeps. Serve the page with a
 * Content-Security-Policy, and keep other people's scripts out of it.
 */

const LEEWAY = 30_000; // milliseconds before its end in which a token is renewed already
const PATIENCE = 15_000; // for one answer, and for a tab that holds the lock
const ATTEMPTS = 4;

/**
 * @typedef {object} Options
 * @property {string} issuer The address of Keyfob, for example `https://id.example.com/auth`.
 * @property {string[]} [apis] The origins that `fetch` sends the access token to, besides the issuer's.
 * @property {Storage} [storage] Where the session is kept; `localStorage` unless given.
 */

/**
 * @typedef {object} Held What is kept of a session.
 * @property {string} access_token
 * @property {string} refresh_token
 * @property {string} session_id
 * @property {number} ends_at When the access token ends, in milliseconds since 1970.
 */

/** @typedef {{id: string, type: string, name: string}} Factor */
/** @typedef {{code: string} | {recovery_code: string} | {credential: unknown}} Proof */

/** A refusal of Keyfob: an RFC 9457 problem, or no answer at all (`status` 0). */
export class KeyfobError extends Error {
  /**
   * @param {number} status
   * @param {Record<string, any>} problem
   * @param {number | null} retryAfter
   */
  constructor(status, problem, retryAfter = null) {
    super(problem.title ?? "Keyfob does not answer");
    this.name = "KeyfobError";
    this.status = status;
    /** The name of the problem, as `invalid_credentials`. */
    this.code = String(problem.code ?? (status ? "error" : "unreachable"));
    this.problem = problem;
    /** The seconds after which another attempt makes sense, if Keyfob said so. */
    this.retryAfter = retryAfter;
  }
}

/** Nobody is signed in, or the session has ended, be it that another has begun meanwhile. */
export class SignedOut extends Error {
  /** @param {string} [message] */
  constructor(message = "Nobody is signed in") {
    super(message);
    this.name = "SignedOut";
  }
}

/** A sign-in that waits for a second factor; valid for `expiresIn` seconds, and for one success. */
export class PendingSignIn {
  #keyfob;
  #token;

  /**
   * @param {Keyfob} keyfob
   * @param {Record<string, any>} problem
   */
  constructor(keyfob, problem) {
    this.#keyfob = keyfob;
    this.#token = problem.mfa_token;
    /** @type {Factor[]} */
    this.factors = problem.factors;
    /** @type {number} */
    this.expiresIn = problem.expires_in;
  }

  /**
   * Finish with a code of the authenticator, a recovery code, or an answer of a passkey.
   * @param {Proof} proof
   * @returns {Promise<void>}
   */
  async finish(proof) {
    await this.#keyfob.enter("/login/mfa", { mfa_token: this.#token, ...proof });
  }

  /**
   * Finish with a passkey or security key: the browser asks for it.
   * @returns {Promise<void>}
   */
  async finishWithPasskey() {
    const options = await this.#keyfob.call("POST", "/login/mfa/options", { mfa_token: this.#token });
    await this.finish({ credential: await askPasskey(options) });
  }
}

/** The session of a person in this browser. */
export class Keyfob {
  #issuer;
  #apis;
  #storage;
  #key;
  /** @type {Promise<Held> | null} */
  #renewing = null;
  /** @type {Set<(signedIn: boolean) => void>} */
  #listeners = new Set();

  /** @param {Options} options */
  constructor({ issuer, apis = [], storage = globalThis.localStorage }) {
    const url = new URL(issuer);
    if (url.protocol !== "https:" && !["localhost", "127.0.0.1", "[::1]"].includes(url.hostname)) {
      throw new TypeError("The issuer must be https, except on this machine");
    }
    this.#issuer = issuer.replace(/\/$/, "");
    this.#apis = new Set([url.origin, ...apis.map((api) => new URL(api).origin)]);
    this.#storage = storage;
    this.#key = `keyfob:${this.#issuer}`;
    globalThis.addEventListener?.("storage", (event) => {
      if (event.storageArea === storage && (event.key === this.#key || event.key === null)) this.#tell();
    });
  }

  /** Whether somebody is signed in, as far as this browser knows. */
  get signedIn() {
    return this.#read() !== null;
  }

  /**
   * The session, null if nobody is signed in. It differs once somebody has signed in anew.
   * @returns {string | null}
   */
  get sessionId() {
    return this.#read()?.session_id ?? null;
  }

  /**
   * Call a listener whenever somebody signs in or out, in this tab or another.
   * @param {(signedIn: boolean) => void} listener
   * @returns {() => void} which ends it
   */
  onChange(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Sign in with a password.
   * @param {string} email
   * @param {string} password
   * @returns {Promise<PendingSignIn | null>} null if that was enough
   */
  async signIn(email, password) {
    try {
      await this.enter("/login", { email, password });
      return null;
    } catch (error) {
      if (error instanceof KeyfobError && error.code === "mfa_required") {
        return new PendingSignIn(this, error.problem);
      }
      throw error;
    }
  }

  /**
   * Sign in with a passkey; with `mediation: "conditional"`, from the field of the address.
   * @param {{mediation?: CredentialMediationRequirement, signal?: AbortSignal}} [how]
   * @returns {Promise<void>}
   */
  async signInWithPasskey(how = {}) {
    const { challenge_id, options } = await this.call("POST", "/login/passkey/options");
    const credential = await askPasskey(options, how);
    await this.enter("/login/passkey/verify", { challenge_id, credential });
  }

  /**
   * Register an account; it is signed in, unless Keyfob wants the address verified first.
   * @param {{email: string, password: string, name?: string}} account
   * @returns {Promise<boolean>} whether it is signed in
   */
  async register(account) {
    const answer = await this.call("POST", "/register", account);
    if (!answer?.access_token) return false;
    await this.#alone(async () => this.#keep(answer));
    return true;
  }

  /**
   * Sign out, in all tabs. The session is forgotten here even if Keyfob cannot be reached.
   * @param {{everywhere?: boolean}} [how] `everywhere`: all devices of the person
   * @returns {Promise<boolean>} whether Keyfob has ended it; if not, it lives until its time-out
   */
  async signOut({ everywhere = false } = {}) {
    // Under the lock: a renewal under way in another tab would sign in again afterwards.
    return this.#alone(async () => {
      let held = this.#read();
      if (held === null) return true;
      try {
        if (isOver(held)) held = await this.#refresh(held);
        const path = everywhere ? "/logout-all" : "/logout";
        await this.call("DELETE", path, undefined, held.access_token);
        return true;
      } catch (error) {
        // Refused: the session has ended already.
        return error instanceof SignedOut || (error instanceof KeyfobError && error.status === 401);
      } finally {
        this.#forget();
      }
    });
  }

  /**
   * Return an access token that is valid for some seconds at least.
   * @returns {Promise<string>}
   * @throws {SignedOut} the session has ended
   */
  async accessToken() {
    return (await this.#lasting()).access_token;
  }

  /**
   * As `window.fetch`, with the access token; a refused one is renewed once.
   *
   * The token goes to the issuer and to `apis` alone, and never along a redirect.
   * @param {RequestInfo | URL} input
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   * @throws {SignedOut} the session has ended; in another, the request is never sent again
   */
  async fetch(input, init) {
    const request = new Request(input, init);
    if (!this.#apis.has(new URL(request.url).origin)) {
      throw new TypeError(`${new URL(request.url).origin} is not among the apis`);
    }
    const again = request.clone();
    const held = await this.#lasting();
    const answer = await globalThis.fetch(bearing(request, held.access_token));
    if (answer.status !== 401 || asksForMore(answer)) return answer;
    const renewed = await this.#renew(held);
    return globalThis.fetch(bearing(again, renewed.access_token));
  }

  /**
   * Call something of Keyfob's API, and return its JSON.
   * @param {string} method
   * @param {string} path below the issuer
   * @param {unknown} [body]
   * @param {string} [token]
   * @returns {Promise<any>}
   * @throws {KeyfobError}
   */
  async call(method, path, body, token) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (token !== undefined) headers.Authorization = `Bearer ${token}`;
    let answer;
    try {
      answer = await globalThis.fetch(this.#issuer + path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "omit",
        redirect: "error",
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE),
      });
    } catch (fault) {
      throw new KeyfobError(0, { title: `Keyfob cannot be reached: ${fault}` });
    }
    const told = await answer.json().catch(() => null);
    if (answer.ok) return told;
    const seconds = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
    throw new KeyfobError(answer.status, told ?? {}, Number.isNaN(seconds) ? null : seconds);
  }

  /**
   * Call what answers with tokens, and keep them. For `PendingSignIn`.
   * @param {string} path
   * @param {unknown} body
   */
  async enter(path, body) {
    const answer = await this.call("POST", path, body);
    await this.#alone(async () => this.#keep(answer));
  }

  /**
   * Return the session, renewed if it has to be.
   * @returns {Promise<Held>}
   * @throws {SignedOut}
   */
  async #lasting() {
    const held = this.#read();
    if (held === null) throw new SignedOut();
    return isOver(held) ? this.#renew(held) : held;
  }

  /**
   * Renew the session unless somebody has done so since it was read. Threat: meanwhile another person
   * has signed in, in whose name nothing may be done that the first one has asked for.
   * @param {Held} used whose access token is over, or was refused
   * @returns {Promise<Held>} of the same session
   * @throws {SignedOut}
   */
  async #renew(used) {
    this.#renewing ??= this.#alone(async () => {
      const held = this.#read();
      if (held === null) throw new SignedOut();
      // Another tab was faster.
      if (held.access_token !== used.access_token && !isOver(held)) return held;
      return this.#refresh(held);
    }).finally(() => {
      this.#renewing = null;
    });
    const held = await this.#renewing;
    ensureSame(held, used);
    return held;
  }

  /**
   * Exchange the refresh token. A lost answer is asked for again: Keyfob gives the same successor.
   * @param {Held} held
   * @returns {Promise<Held>}
   */
  async #refresh(held) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const tokens = await this.call("POST", "/refresh", { token: held.refresh_token });
        ensureSame(this.#read(), held); // a tab without locks has signed in or out meanwhile
        return this.#keep(tokens);
      } catch (error) {
        if (!(error instanceof KeyfobError)) throw error;
        if (error.status === 401) {
          // Not if a tab without locks has signed in meanwhile.
          if (this.#read()?.refresh_token === held.refresh_token) this.#forget();
          throw new SignedOut();
        }
        const passes = error.status === 0 || error.status === 429 || error.status >= 500;
        const seconds = error.retryAfter ?? 0.25 * 2 ** attempt;
        if (!passes || attempt === ATTEMPTS || seconds > 10) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000 * seconds * (0.75 + Math.random() / 2)));
      }
    }
  }

  /**
   * Do something while no other tab does, unless one holds the lock for too long (it may be frozen).
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #alone(work) {
    const locks = globalThis.navigator?.locks;
    if (!locks) return work();
    let begun = false;
    const begin = () => {
      begun = true;
      return work();
    };
    const result = await locks.request(this.#key, { ifAvailable: true }, (lock) => lock && begin());
    if (begun) return /** @type {T} */ (result);
    try {
      return await locks.request(this.#key, { signal: AbortSignal.timeout(PATIENCE) }, async () => {
        // What the other tab has stored comes here a moment later, if it is of another process.
        await new Promise((resolve) => setTimeout(resolve, 50));
        return begin();
      });
    } catch (error) {
      if (begun) throw error;
      return work();
    }
  }

  /** @returns {Held | null} */
  #read() {
    try {
      const held = JSON.parse(this.#storage.getItem(this.#key) ?? "null");
      return typeof held?.refresh_token === "string" ? held : null;
    } catch {
      return null;
    }
  }

  /**
   * @param {Record<string, any>} tokens
   * @returns {Held}
   */
  #keep(tokens) {
    const { access_token, refresh_token, session_id, expires_in } = tokens;
    const held = { access_token, refresh_token, session_id, ends_at: Date.now() + 1000 * expires_in };
    const was = this.#read();
    this.#storage.setItem(this.#key, JSON.stringify(held));
    if (was?.session_id !== session_id) this.#tell();
    return held;
  }

  #forget() {
    this.#storage.removeItem(this.#key);
    this.#tell();
  }

  #tell() {
    const signedIn = this.signedIn;
    for (const listener of [...this.#listeners]) listener(signedIn);
  }
}

/**
 * @param {Held | null} held
 * @param {Held} used
 * @throws {SignedOut}
 */
function ensureSame(held, used) {
  if (held?.session_id !== used.session_id) throw new SignedOut("The session has ended, or another has begun");
}

/** @param {Held} held */
function isOver(held) {
  return held.ends_at - LEEWAY <= Date.now();
}

/**
 * @param {Request} request
 * @param {string} token
 */
function bearing(request, token) {
  const headers = new Headers(request.headers);
  headers.set("Authorization", `Bearer ${token}`);
  return new Request(request, { headers, redirect: "error" });
}

/**
 * Tell whether a 401 asks for a newer sign-in, which no renewal gives (RFC 9470).
 * @param {Response} answer
 */
function asksForMore(answer) {
  return (answer.headers.get("WWW-Authenticate") ?? "").includes("insufficient_user_authentication");
}

/**
 * Let the browser answer a request for a passkey, and return the answer as JSON (WebAuthn Level 3).
 * @param {any} options
 * @param {{mediation?: CredentialMediationRequirement, signal?: AbortSignal}} [how]
 */
async function askPasskey(options, how = {}) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey ?? options);
  const credential = await navigator.credentials.get({ publicKey, ...how });
  if (!(credential instanceof PublicKeyCredential)) throw new KeyfobError(0, { title: "No passkey was used" });
  return credential.toJSON();
}
