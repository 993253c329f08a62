/** Error messages. */

/** @param {unknown} error  whatever was thrown */
export function errorMessage(error) {
  return error instanceof Error ? error.message : String(error);
}
