/** Choice of the network's source: the file that contains the page, or its server. */

import { fileSource } from "./file.js";
import { ServerSource } from "./server.js";

/** @typedef {import("../types.js").Source} Source */

/** @returns {Promise<Source>} */
export async function chooseSource() {
  return (await fileSource()) ?? new ServerSource();
}
