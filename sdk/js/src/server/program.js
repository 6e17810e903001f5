import { Refused, Unavailable } from "./errors.js";
import { ask } from "./issuer.js";

/** @typedef {import("./issuer.js").Issuer} Issuer */

/** This service as a client of Keyfob: its own access token, renewed early and once at a time. */
export class Program {
  #issuer;
  #authorization;
  /** @type {{text: string, endsAt: number} | null} */
  #token = null;
  /** @type {Promise<string> | null} */
  #asking = null;

  /**
   * @param {Issuer} issuer
   * @param {string} id
   * @param {string} secret
   */
  constructor(issuer, id, secret) {
    this.#issuer = issuer;
    this.id = id;
    // RFC 6749 section 2.3.1: both halves are encoded first.
    const pair = `${encodeURIComponent(id)}:${encodeURIComponent(secret)}`;
    this.#authorization = `Basic ${Buffer.from(pair).toString("base64")}`;
  }

  /**
   * Return an access token for Keyfob's own API.
   * @returns {Promise<string>}
   */
  accessToken() {
    if (this.#token && this.#token.endsAt - 30_000 > Date.now()) return Promise.resolve(this.#token.text);
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /** Forget the access token, because it was refused. */
  forget() {
    this.#token = null;
  }

  async #ask() {
    const told = await this.post("token_endpoint", {
      grant_type: "client_credentials",
      scope: "revocations:read",
      resource: this.#issuer.name,
    });
    this.#token = { text: told.access_token, endsAt: Date.now() + 1000 * told.expires_in };
    return this.#token.text;
  }

  /**
   * Exchange an API key for an access token of an audience (RFC 8693).
   * @param {string} key
   * @param {string} audience
   * @returns {Promise<{text: string, endsAt: number}>}
   * @throws {Refused}
   */
  async exchange(key, audience) {
    const told = await this.post("token_endpoint", {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: key,
      subject_token_type: "urn:keyfob:token-type:api-key",
      resource: audience,
    });
    return { text: told.access_token, endsAt: Date.now() + 1000 * told.expires_in };
  }

  /**
   * Send a form to an endpoint that the metadata names, and return its JSON.
   * @param {string} endpoint
   * @param {Record<string, string>} form
   * @returns {Promise<any>}
   */
  async post(endpoint, form) {
    const url = (await this.#issuer.metadata())[endpoint];
    const answer = await ask(url, {
      method: "POST",
      headers: { Authorization: this.#authorization, Accept: "application/json" },
      body: new URLSearchParams(form),
    });
    const told = await answer.json().catch(() => null);
    if (answer.ok && told) return told;
    if (answer.status === 400) throw new Refused(told?.error_description ?? told?.error ?? "refused");
    throw new Unavailable(`${url} answers ${answer.status} ${told?.error ?? ""}`);
  }
}
