import { Refused, Unavailable } from "./errors.js";

/**
 * Return what to answer when a caller is not admitted; null if that is none of our faults.
 * @param {unknown} fault
 * @param {string} [metadata]
 * @returns {{status: number, headers: Record<string, string>, body: Record<string, unknown>} | null}
 */
export function answerTo(fault, metadata) {
  if (fault instanceof Refused) {
    const headers = { "WWW-Authenticate": fault.challenge(metadata), "Cache-Control": "no-store" };
    return { status: fault.status, headers, body: problem(fault.status, fault.message, fault.error) };
  }
  if (fault instanceof Unavailable) {
    const body = problem(503, "Access cannot be checked now; try again soon", "unavailable");
    return { status: 503, headers: { "Retry-After": "1", "Cache-Control": "no-store" }, body };
  }
  return null;
}

/**
 * @param {number} status
 * @param {string} title
 * @param {string} code
 */
function problem(status, title, code) {
  return { title, status, code: code || "unauthenticated" };
}
