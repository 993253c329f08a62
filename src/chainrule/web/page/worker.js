/** The page's worker, which trains or computes traces, as its name says. */

import { TraceLoop } from "./engine/trace_loop.js";
import { TrainingLoop } from "./source/training_loop.js";

const answer = (/** @type {unknown} */ message) => self.postMessage(message);
const loop = self.name === "training" ? new TrainingLoop(answer) : new TraceLoop(answer);
self.addEventListener("message", (event) => loop.receive(event.data));
