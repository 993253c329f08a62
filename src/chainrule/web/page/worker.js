/** The page's worker, which trains or computes traces, as its name says. */

import { TraceLoop } from "./engine/trace_loop.js";
import { TrainingLoop } from "./source/training_loop.js";

/** @param {unknown} message @param {Transferable[]} [given]  what the page takes over without a copy */
const answer = (message, given = []) => self.postMessage(message, { transfer: given });
const loop = self.name === "training" ? new TrainingLoop(answer) : new TraceLoop(answer);
self.addEventListener("message", (event) => loop.receive(event.data));
answer("ready");
