/** Where the page gets its network from: the file it is in, or the server it came from. */

import { fileSource } from "./file.js";
import { ServerSource } from "./server.js";

/** @typedef {import("../types.js").Source} Source */

/** @returns {Promise<Source>} */
export async function chooseSource() {
  return (await fileSource()) ?? new ServerSource();
}
