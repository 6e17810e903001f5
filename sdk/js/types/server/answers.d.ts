/**
 * Return what to answer when a caller is not admitted; null if that is none of our faults.
 * @param {unknown} fault
 * @param {string} [metadata]
 * @returns {{status: number, headers: Record<string, string>, body: Record<string, unknown>} | null}
 */
export function answerTo(fault: unknown, metadata?: string): {
    status: number;
    headers: Record<string, string>;
    body: Record<string, unknown>;
} | null;
