const LONGEST_EVENT = 4 * 1024 * 1024;

/**
 * Read server-sent events (HTML Standard, section 9.2.6) from the body of an answer.
 * @param {AsyncIterable<Uint8Array>} body
 * @returns {AsyncGenerator<{event: string, data: string}>}
 */
export async function* readEvents(body) {
  const decoder = new TextDecoder();
  let rest = "";
  let event = "message";
  /** @type {string[]} */
  let data = [];
  for await (const piece of body) {
    rest += decoder.decode(piece, { stream: true });
    if (rest.length > LONGEST_EVENT) throw new Error("An event is too long");
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length) yield { event, data: data.join("\n") };
        event = "message";
        data = [];
      } else if (line.startsWith("event:")) {
        event = line.slice(6).trim();
      } else if (line.startsWith("data:")) {
        data.push(line.slice(5).trimStart());
      }
    }
  }
}
