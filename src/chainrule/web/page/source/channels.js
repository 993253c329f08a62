/**
 * Channels to a loop that computes beside the page, in a worker.
 *
 * @typedef {{send(request: any): void, close(): void}} Channel
 * @typedef {(heard: (answer: any) => void, failed: (words: string) => void) => Channel} OpenChannel
 * @typedef {"training" | "tracing"} Role
 */
const WORKER = "worker.js";
const READY = "ready"; // the first message of a worker

/** Returns what opens a channel to a worker. @param {Role} role @param {() => void} [ready]  called once it answers at once @returns {OpenChannel} */
export function inWorker(role, ready = () => undefined) {
  return (onMessage, onError) => {
    const worker = newWorker(role);
    worker.addEventListener("message", ({ data }) => (data === READY ? ready() : onMessage(data)));
    worker.addEventListener("error", (event) => onError(event.message || "its worker ended"));
    return { send: (request) => worker.postMessage(request), close: () => worker.terminate() };
  };
}

/** Starts worker.js: in the self-contained file a classic script, which has an address of its own. @param {Role} name */
function newWorker(name) {
  const address = /** @type {any} */ (globalThis).chainruleModules?.[WORKER];
  if (address) return new Worker(address, { name });
  return new Worker(new URL(`../${WORKER}`, import.meta.url), { name, type: "module" });
}
