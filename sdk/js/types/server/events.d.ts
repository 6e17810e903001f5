/**
 * Read server-sent events (HTML Standard, section 9.2.6) from the body of an answer.
 * @param {AsyncIterable<Uint8Array>} body
 * @returns {AsyncGenerator<{event: string, data: string}>}
 */
export function readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<{
    event: string;
    data: string;
}>;
