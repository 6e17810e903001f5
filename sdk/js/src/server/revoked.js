/**
 * What is revoked, until the last token that it concerns has expired. A key is distrusted for ever: whoever
 * has it signs tokens that expire whenever they like.
 */
export class Revoked {
  /** @type {Map<string, {generation: number, endsAt: number}>} */
  #ids = new Map();
  /** @type {Set<string>} */
  #keys = new Set();

  get size() {
    return this.#ids.size + this.#keys.size;
  }

  /**
   * Add the entries of a document; the highest generation and the latest end count.
   * @param {Record<string, any>[]} entries
   */
  add(entries) {
    for (const entry of entries) {
      if (typeof entry?.kid === "string") this.#keys.add(entry.kid);
      if (typeof entry?.exp !== "number" || typeof entry.kid === "string") continue;
      const [id, generation] = idOf(entry);
      if (id === undefined || typeof generation !== "number") continue;
      const known = this.#ids.get(id);
      this.#ids.set(id, {
        generation: Math.max(generation, known?.generation ?? -1),
        endsAt: Math.max(entry.exp, known?.endsAt ?? 0),
      });
    }
  }

  /** Forget what no token can have any more. */
  tidy() {
    const now = Date.now() / 1000;
    for (const [id, { endsAt }] of this.#ids) if (endsAt < now) this.#ids.delete(id);
  }

  /**
   * Tell whether a key was compromised.
   * @param {string} kid
   */
  distrusts(kid) {
    return this.#keys.has(kid);
  }

  /**
   * Tell whether its key or one of the things that a token rests on is revoked.
   * @param {Record<string, any>} claims
   * @param {string} kid
   */
  kills(claims, kid) {
    if (this.distrusts(kid)) return true;
    const { sid, gen, sub, sub_gen, client_id, client_gen, jti, rests_on } = claims;
    return (
      this.#covers(sid, gen) ||
      this.#covers(sub, sub_gen) ||
      this.#covers(client_id, client_gen) ||
      this.#covers(uuidOf(jti), 0) ||
      (Array.isArray(rests_on) && rests_on.some((pair) => this.#covers(pair?.[0], pair?.[1])))
    );
  }

  /**
   * @param {unknown} id
   * @param {unknown} generation
   */
  #covers(id, generation) {
    const found = typeof id === "string" ? this.#ids.get(id) : undefined;
    return found !== undefined && found.generation >= (typeof generation === "number" ? generation : 0);
  }
}

/**
 * @param {Record<string, any>} entry
 * @returns {[string | undefined, number | undefined]}
 */
function idOf(entry) {
  if (typeof entry.sid === "string") return [entry.sid, entry.gen];
  if (typeof entry.sub === "string") return [entry.sub, entry.sub_gen];
  if (typeof entry.client_id === "string") return [entry.client_id, entry.client_gen];
  return [uuidOf(entry.jti), Number.MAX_SAFE_INTEGER];
}

/**
 * Write the 16 bytes of a `jti` as a UUID: `rests_on` names tokens in that form.
 * @param {unknown} jti
 */
function uuidOf(jti) {
  if (typeof jti !== "string" || jti.length !== 22) return undefined;
  const hex = Buffer.from(jti, "base64url").toString("hex");
  return hex.length === 32 ? hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5") : undefined;
}
