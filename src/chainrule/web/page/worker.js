/** The page's worker. Its name selects its task: "training", otherwise traces. */

import { TraceLoop } from "./engine/trace_loop.js";
import { TrainingLoop } from "./source/training_loop.js";

/** @param {unknown} message @param {Transferable[]} [transfer]  buffers to transfer without a copy */
const answer = (message, transfer = []) => self.postMessage(message, { transfer });
const loop = self.name === "training" ? new TrainingLoop(answer) : new TraceLoop(answer);
self.addEventListener("message", (event) => loop.receive(event.data));
answer("ready");
