/**
 * Channels to the training loop: in a worker, or in the page itself where workers are unavailable.
 *
 * @import {OpenChannel} from "./page_course.js"
 */
import { TrainingLoop } from "./training_loop.js";

/** Opens a channel to a worker that runs training_worker.js. @param {string} address @returns {OpenChannel} */
export function inWorker(address) {
  return (heard, failed) => {
    const worker = new Worker(address);
    worker.addEventListener("message", (event) => heard(event.data));
    worker.addEventListener("error", (event) => failed(event.message || "its worker ended"));
    return { send: (request) => worker.postMessage(request), close: () => worker.terminate() };
  };
}

/** Runs the training loop in this thread, between other tasks of the page. @type {OpenChannel} */
export function inThisThread(heard) {
  let open = true;
  const loop = new TrainingLoop((answer) => setTimeout(() => open && heard(answer), 0));
  return {
    send: (request) => loop.receive(request),
    close: () => {
      open = false;
      loop.end();
    },
  };
}
