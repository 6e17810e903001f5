import { Refused, Unavailable } from "./errors.js";
import { readEvents } from "./events.js";
import { ask } from "./issuer.js";
import { Revoked } from "./revoked.js";

/** @typedef {import("./issuer.js").Issuer} Issuer */
/** @typedef {import("./program.js").Program} Program */

const SILENCE = 15_000; // milliseconds without a valid document, after which the stream is given up
const LONGEST_PAUSE = 30_000; // before the stream is tried again
const LEEWAY = 10; // seconds
const LONGEST_LIFE = 3600; // of a document, in seconds

/** Follows the revocations of an issuer: by its stream, and by polling while there is none. */
export class Follower {
  #issuer;
  #program;
  #log;
  #closing = new AbortController();
  /** @type {string | undefined} */
  #position;
  #caughtUp = false;
  /** @type {Promise<void>} */
  #running;
  #heardAt = 0; // by a clock that nobody sets
  /** @type {Promise<void> | undefined} */
  #first;
  #tellFirst = () => {};

  /**
   * @param {Issuer} issuer
   * @param {Program} program
   * @param {(message: string) => void} log gets a line when the way of following changes
   */
  constructor(issuer, program, log) {
    this.#issuer = issuer;
    this.#program = program;
    this.#log = log;
    this.revoked = new Revoked();
    /** The second of which everything that is revoked is known; 0 before the first. */
    this.knownOf = 0;
    /** @type {"starting" | "streaming" | "polling"} */
    this.mode = "starting";
    this.documents = 0;
    this.faults = 0;
    this.#running = this.#run();
  }

  /**
   * The seconds for which nothing is known; Infinity before all is known once. Two clocks tell, and the
   * larger age counts, since that of the wall may be set back.
   */
  get behind() {
    if (!this.#caughtUp) return Infinity;
    return Math.max(0, Date.now() / 1000 - this.knownOf, performance.now() / 1000 - this.#heardAt);
  }

  /**
   * Wait until all that is revoked is known, but not longer than so many milliseconds. All who come
   * meanwhile wait for the same, so that a crowd leaves nothing behind.
   * @param {number} most
   * @returns {Promise<void>}
   */
  ready(most) {
    if (this.#caughtUp || this.#closing.signal.aborted) return Promise.resolve();
    this.#first ??= new Promise((resolve) => {
      const timer = setTimeout(() => this.#tellFirst(), most);
      this.#tellFirst = () => {
        clearTimeout(timer);
        this.#first = undefined;
        resolve();
      };
    });
    return this.#first;
  }

  /** Stop following. */
  async close() {
    this.#closing.abort();
    this.#tellFirst();
    await this.#running;
  }

  async #run() {
    let pause = 1000;
    while (!this.#closing.signal.aborted) {
      const begun = this.documents;
      await this.#attempt(() => this.#stream());
      pause = this.documents > begun ? 1000 : Math.min(2 * pause, LONGEST_PAUSE);
      const until = Date.now() + pause;
      while (!this.#closing.signal.aborted && Date.now() < until) {
        await this.#sleep(1000);
        await this.#attempt(() => this.#poll());
      }
    }
  }

  /** @param {() => Promise<void>} work */
  async #attempt(work) {
    try {
      await work();
    } catch (fault) {
      if (this.#closing.signal.aborted) return;
      this.faults += 1;
      this.#change("polling", `the stream of revocations is not followed: ${fault}`);
    }
    this.revoked.tidy();
  }

  async #stream() {
    const silence = new AbortController();
    const give = () => silence.abort(new Error("nothing was heard for 15 seconds"));
    let timer = setTimeout(give, SILENCE);
    try {
      const url = await this.#address("keyfob_revocations_stream_endpoint");
      const answer = await this.#ask(url, AbortSignal.any([silence.signal, this.#closing.signal]));
      for await (const { event, data } of readEvents(/** @type {any} */ (answer.body))) {
        if (event === "start-over") this.#position = undefined;
        if (event !== "revocations" && event !== "heartbeat") continue;
        if (!(await this.#take(data, this.#position))) throw new Error("a document is missing");
        this.#change("streaming", "revocations are followed by their stream");
        clearTimeout(timer);
        timer = setTimeout(give, SILENCE);
      }
      throw new Error("the stream has ended");
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  async #poll() {
    let more = true;
    while (more && !this.#closing.signal.aborted) {
      const asked = this.#position;
      const url = await this.#address("keyfob_revocations_endpoint");
      if (asked !== undefined) url.searchParams.set("after", asked);
      const signal = AbortSignal.any([AbortSignal.timeout(5000), this.#closing.signal]);
      const answer = await this.#ask(url, signal);
      const document = await this.#take(await answer.text(), asked);
      if (!document) throw new Error("a document is missing");
      more = document.more === true;
    }
  }

  /** @param {string} endpoint */
  async #address(endpoint) {
    const address = (await this.#issuer.metadata())[endpoint];
    if (typeof address !== "string") throw new Unavailable(`${this.#issuer.name} has no ${endpoint}`);
    return new URL(address);
  }

  /**
   * @param {URL} url
   * @param {AbortSignal} signal
   */
  async #ask(url, signal) {
    /** @type {Record<string, string>} */
    const headers = { Authorization: `Bearer ${await this.#program.accessToken()}` };
    if (this.#position !== undefined) headers["Last-Event-ID"] = this.#position;
    const answer = await ask(url.href, { headers, signal });
    if (answer.ok) return answer;
    await answer.body?.cancel();
    if (answer.status === 401) this.#program.forget();
    throw new Unavailable(`${url.pathname} answers ${answer.status}`);
  }

  /**
   * Verify a document and apply it; null if one before it is missing.
   *
   * Its entries are applied in any case, since they only revoke. Its position is taken if it follows
   * ours and is no older than what we know: an old document that is sent again changes nothing.
   * @param {string} text
   * @param {string | undefined} asked
   */
  async #take(text, asked) {
    const { claims, kid } = await this.#issuer.verify(text.trim(), {
      typ: "revocations+jwt",
      audience: `${this.#issuer.name}/revocations`,
      required: ["position", "entries"],
      leeway: LEEWAY,
      longestLife: LONGEST_LIFE,
    });
    if (this.revoked.distrusts(kid)) throw new Refused("The key of the document was compromised");
    if (!Array.isArray(claims.entries)) throw new Refused("The document has no entries");
    this.revoked.add(claims.entries);
    if (claims.iat < this.knownOf) return claims;
    if (claims.complete !== true && claims.after !== asked) return null;
    this.documents += 1;
    this.#position = claims.position;
    if (claims.more !== true) {
      this.knownOf = claims.iat;
      this.#heardAt = performance.now() / 1000 - Math.max(0, Date.now() / 1000 - claims.iat);
      this.#caughtUp = true;
      this.#tellFirst();
    }
    return claims;
  }

  /**
   * @param {"streaming" | "polling"} mode
   * @param {string} message
   */
  #change(mode, message) {
    if (this.mode === mode) return;
    this.mode = mode;
    this.#log(message);
  }

  /** @param {number} milliseconds */
  async #sleep(milliseconds) {
    await new Promise((resolve) => {
      const timer = setTimeout(done, milliseconds);
      const signal = this.#closing.signal;
      function done() {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve(undefined);
      }
      signal.addEventListener("abort", done);
    });
  }
}
