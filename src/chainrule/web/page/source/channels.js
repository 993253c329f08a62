/**
 * Channels to a computation, in a worker or in the page. Requests are sent, and answers are passed to a callback.
 *
 * @typedef {{send(request: any): void, close(): void}} Channel
 * @typedef {(heard: (answer: any) => void, failed: (words: string) => void) => Channel} OpenChannel
 * @typedef {"training" | "tracing"} Role
 */
const WORKER = "page/worker.js";
const READY = "ready"; // the first message of a worker

/** Returns a function that opens a channel to a worker. @param {Role} role @param {() => void} [ready]  called once the worker is loaded @returns {OpenChannel} */
export function inWorker(role, ready = () => undefined) {
  return (onMessage, onError) => {
    const worker = newWorker(role);
    worker.addEventListener("message", ({ data }) => (data === READY ? ready() : onMessage(data)));
    worker.addEventListener("error", (event) => onError(event.message || "its worker stopped"));
    return { send: (request) => worker.postMessage(request), close: () => worker.terminate() };
  };
}

/** Starts worker.js. In the self-contained file, it is part of a classic script. @param {Role} name */
function newWorker(name) {
  const address = /** @type {any} */ (globalThis).chainruleScript;
  return address ? new Worker(address, { name }) : new Worker(WORKER, { name, type: "module" });
}
