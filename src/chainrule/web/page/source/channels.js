/**
 * Ways to whoever takes the training steps: a worker, or where none can be had the page itself.
 *
 * @import {OpenChannel} from "./page_course.js"
 */
import { TrainingLoop } from "./training_loop.js";

/** To a worker that runs training_worker.js. @param {string} address @returns {OpenChannel} */
export function inWorker(address) {
  return (heard, failed) => {
    const worker = new Worker(address);
    worker.addEventListener("message", (event) => heard(event.data));
    worker.addEventListener("error", (event) => failed(event.message || "its worker ended"));
    return { send: (request) => worker.postMessage(request), close: () => worker.terminate() };
  };
}

/** In this thread, between what else the page does. @type {OpenChannel} */
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
