/**
 * Channels to a computation, in a worker or in the page. Requests are sent, and answers are passed to a callback.
 *
 * @typedef {{send(request: any): void, close(): void}} Channel
 * @typedef {(heard: (answer: any) => void, failed: (words: string) => void) => Channel} OpenChannel
 * @typedef {"training" | "tracing"} Role
 */
/** The address of the script that the server sends, for the page and its workers. */
const SERVED_SCRIPT = "page.js";
const READY = "ready"; // the first message of a worker

/** Returns a function that starts a worker and opens a channel to it. @param {Role} role @param {() => void} [ready]  called once the worker is loaded @returns {OpenChannel} */
export function inWorker(role, ready) {
  return (onMessage, onError) => channelTo(newWorker(role), onMessage, onError, ready);
}

/** Starts a worker, so that it loads meanwhile, and returns a function that opens the only channel to it. @param {Role} role @returns {OpenChannel} */
export function inStartedWorker(role) {
  const worker = newWorker(role);
  return (onMessage, onError) => channelTo(worker, onMessage, onError);
}

/** @param {Worker} worker @param {(answer: any) => void} onMessage @param {(words: string) => void} onError @param {() => void} [ready] @returns {Channel} */
function channelTo(worker, onMessage, onError, ready) {
  worker.addEventListener("message", ({ data }) => (data === READY ? ready?.() : onMessage(data)));
  worker.addEventListener("error", (event) => onError(event.message || "its worker stopped"));
  return { send: (request) => worker.postMessage(request), close: () => worker.terminate() };
}

/** Starts a worker, which runs the same script as the page; the self-contained file has an address for it. @param {Role} name */
function newWorker(name) {
  return new Worker(/** @type {any} */ (globalThis).chainruleScript ?? SERVED_SCRIPT, { name });
}
