/**
 * Return the one `Authorization` header of a request.
 * Threat: of two, two readers would each believe another.
 * @param {import("node:http").IncomingMessage} request
 * @throws {Refused}
 */
export function authorizationOf(request: import("node:http").IncomingMessage): string | undefined;
/**
 * Return the answer to a refusal (RFC 9457); null if the fault is none.
 * @param {unknown} fault
 * @param {string} [metadata]
 * @returns {{status: number, headers: Record<string, string>, body: Buffer} | null}
 */
export function answerTo(fault: unknown, metadata?: string): {
    status: number;
    headers: Record<string, string>;
    body: Buffer;
} | null;
