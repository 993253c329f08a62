/** Where the page gets its network from: the file it is in, or the server it came from. */

import { ServerSource } from "./server.js";

/** @typedef {import("../types.js").Source} Source */

/** @returns {Source} */
export function chooseSource() {
  return new ServerSource();
}
