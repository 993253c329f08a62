/**
 * The input of a stage, and its interface.
 *
 * @typedef {import("../../../types.js").Explanation} Explanation
 * @typedef {import("../../../types.js").Trace} Trace
 * @typedef {{
 *   explanation: Explanation, trace: Trace, sequence: import("../sequence.js").Sequence,
 *   follow(cell: string): void, hover(cell: string | null): void, href(cell: string): string,
 *   question(weight: string): string,
 *   nudge?(change: import("../../../types.js").Nudge | null): void,
 * }} PanelContext  the explained cell, and actions of the panel. sequence: the order of its terms; question: returns the
 *   address of the question why a weight changed; nudge: changes a number
 * @typedef {{
 *   element: HTMLElement, count: number,
 *   show(done: number, stepping: boolean, quick?: boolean): void,
 *   say(done: number): string,
 * }} Stage
 *   a part of the panel that shows a computation in `count` parts. show: shows the first `done` parts and, while stepping,
 *   marks the last of them; quick: whether parts follow too quickly to turn pages; say: returns a description for screen
 *   readers
 */

/** Creates a stage without parts. @param {HTMLElement} element @returns {Stage} */
export function staticStage(element) {
  return { element, count: 0, show() {}, say: () => "" };
}
