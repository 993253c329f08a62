/**
 * Channels to a loop that computes beside the page: in a worker, or in the page itself where workers are unavailable.
 *
 * @typedef {{send(request: any): void, close(): void}} Channel
 * @typedef {(heard: (answer: any) => void, failed: (words: string) => void) => Channel} OpenChannel
 * @typedef {"training" | "tracing"} Role
 */
import { TraceLoop } from "../engine/trace_loop.js";
import { TrainingLoop } from "./training_loop.js";

const WORKER = "worker.js";

/** Opens a channel to a worker. @param {Role} role @returns {OpenChannel} */
export function inWorker(role) {
  return (heard, failed) => {
    const worker = newWorker(role);
    worker.addEventListener("message", (event) => heard(event.data));
    worker.addEventListener("error", (event) => failed(event.message || "its worker ended"));
    return { send: (request) => worker.postMessage(request), close: () => worker.terminate() };
  };
}

/** Starts worker.js: in the self-contained file a classic script, which has an address of its own. @param {Role} name */
function newWorker(name) {
  const address = /** @type {any} */ (globalThis).chainruleModules?.[WORKER];
  if (address) return new Worker(address, { name });
  return new Worker(new URL(`../${WORKER}`, import.meta.url), { name, type: "module" });
}

/** Runs the loop in this thread, between other tasks of the page. @param {Role} role @returns {OpenChannel} */
export function inThisThread(role) {
  return (heard) => {
    let open = true;
    const answer = (/** @type {unknown} */ each) => setTimeout(() => open && heard(each), 0);
    const loop = role === "training" ? new TrainingLoop(answer) : new TraceLoop(answer);
    return {
      send: (request) => loop.receive(request),
      close: () => {
        open = false;
        loop.end();
      },
    };
  };
}
