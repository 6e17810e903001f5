import { createHash } from "node:crypto";
import { Refused, Unavailable } from "./errors.js";

/** @typedef {import("./program.js").Program} Program */

const SHAPE = /^kfk_[0-9A-Za-z]{49}$/;
const DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const CHECKSUM = 6;
const MOST_REMEMBERED = 10_000;
const REFUSED_FOR = 10_000; // milliseconds in which a refused key is not asked for again
const MOST_AT_ONCE = 12; // exchanges of keys that were good before
const MOST_OF_STRANGERS = 4;
const LONGEST_WAIT = 5_000;

/**
 * Tell whether a text is an API key that was not mistyped: it ends in a CRC-32, in base62.
 * @param {string} text
 */
export function isApiKey(text) {
  if (!SHAPE.test(text)) return false;
  let number = crc32(text.slice(0, -CHECKSUM));
  let digits = "";
  for (let place = 0; place < CHECKSUM; place += 1) {
    digits = DIGITS[number % DIGITS.length] + digits;
    number = Math.floor(number / DIGITS.length);
  }
  return text.endsWith(digits);
}

/** @param {string} text */
function crc32(text) {
  let sum = 0xffffffff;
  for (let at = 0; at < text.length; at += 1) {
    sum ^= text.charCodeAt(at);
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

/**
 * A number of places, of which each is given to whoever came last. Threat: a crowd of one stranger
 * waits. Whoever comes next is served after one of them, since each asks again only once it was answered.
 */
class Places {
  #free;
  #longestWait;
  /** @type {(() => void)[]} */
  #waiting = [];

  /**
   * @param {number} number
   * @param {number} longestWait
   */
  constructor(number, longestWait) {
    this.#free = number;
    this.#longestWait = longestWait;
  }

  /**
   * Do some work once there is a place.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   * @throws {Unavailable} none was free for long
   */
  async hold(work) {
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait();
    try {
      return await work();
    } finally {
      const next = this.#waiting.pop();
      if (next) next();
      else this.#free += 1;
    }
  }

  /** @returns {Promise<void>} */
  #wait() {
    return new Promise((resolve, reject) => {
      const turn = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(new Unavailable("Too many API keys wait to be exchanged"));
      }, this.#longestWait);
      this.#waiting.push(turn);
    });
  }
}

/**
 * Exchanges API keys for access tokens, and remembers these by digest. Threat: a stranger shows keys
 * that nobody made, whose checksum is right. Their refusals are remembered apart, and a key that was
 * good before waits for none of them.
 */
export class Exchanges {
  #program;
  #audience;
  #most;
  /** @type {Map<string, {text: string, endsAt: number}>} */
  #good = new Map();
  /** @type {Map<string, number>} */
  #refused = new Map(); // until when
  /** @type {Map<string, Promise<string>>} */
  #flights = new Map();
  #places;
  #placesOfStrangers;

  /**
   * @param {Program} program
   * @param {string} audience
   * @param {{most?: number, longestWait?: number}} [limits]
   */
  constructor(program, audience, { most = MOST_REMEMBERED, longestWait = LONGEST_WAIT } = {}) {
    this.#program = program;
    this.#audience = audience;
    this.#most = most;
    this.#places = new Places(MOST_AT_ONCE, longestWait);
    this.#placesOfStrangers = new Places(MOST_OF_STRANGERS, longestWait);
  }

  /**
   * Return the access token of a key: asked for once, and kept until it ends.
   * @param {string} key
   * @returns {Promise<string>}
   * @throws {Refused | Unavailable}
   */
  async find(key) {
    const digest = digestOf(key);
    if ((this.#refused.get(digest) ?? 0) > Date.now()) throw notValid();
    const known = this.#good.get(digest);
    if (known && known.endsAt > Date.now()) {
      remember(this.#good, digest, known, this.#most); // as the last one used
      return known.text;
    }
    const under = this.#flights.get(digest);
    if (under) return under;
    const flight = this.#ask(key, digest, known !== undefined).finally(() => this.#flights.delete(digest));
    this.#flights.set(digest, flight);
    return flight;
  }

  /**
   * Forget what a key was exchanged for, if that is still remembered.
   * @param {string} key
   * @param {string} text its access token, which is of no use any more
   */
  forget(key, text) {
    const known = this.#good.get(digestOf(key));
    if (known?.text === text) known.endsAt = 0; // and it stays known as one that was good
  }

  /**
   * Refuse a key for a while: what it is exchanged for is not believed here.
   * @param {string} key
   */
  refuse(key) {
    const digest = digestOf(key);
    this.#good.delete(digest);
    remember(this.#refused, digest, Date.now() + REFUSED_FOR, this.#most);
  }

  /**
   * @param {string} key
   * @param {string} digest
   * @param {boolean} wasGood
   */
  async #ask(key, digest, wasGood) {
    const places = wasGood ? this.#places : this.#placesOfStrangers;
    try {
      const { text, endsAt } = await places.hold(() => this.#program.exchange(key, this.#audience));
      remember(this.#good, digest, { text, endsAt: endsAt - 5_000 }, this.#most);
      return text;
    } catch (fault) {
      if (!(fault instanceof Refused)) throw fault; // that it cannot be asked for is no word about the key
      this.refuse(key);
      throw notValid();
    }
  }
}

/** @param {string} key */
function digestOf(key) {
  return createHash("sha256").update(key).digest("base64");
}

function notValid() {
  return new Refused("The API key is not valid here");
}

/**
 * Write an entry as the newest; the oldest goes if there are too many.
 * @template T
 * @param {Map<string, T>} memory
 * @param {string} name
 * @param {T} value
 * @param {number} [most]
 */
export function remember(memory, name, value, most = MOST_REMEMBERED) {
  memory.delete(name);
  memory.set(name, value);
  const oldest = memory.keys().next().value;
  if (memory.size > most && oldest !== undefined) memory.delete(oldest);
}
