/** The worker that trains on this page. */

import { TrainingLoop } from "./training_loop.js";

const loop = new TrainingLoop((answer) => self.postMessage(answer));
self.addEventListener("message", (event) => loop.receive(event.data));
