/**
 * Input and interface of a stage.
 *
 * @typedef {import("../../../types.js").Explanation} Explanation
 * @typedef {import("../../../types.js").Trace} Trace
 * @typedef {{
 *   explanation: Explanation, trace: Trace, sequence: import("../sequence.js").Sequence, still: boolean, again?: boolean,
 *   follow(cell: string): void, hover(cell: string | null): void, href(cell: string): string,
 *   contributions?(step: number, name: string, index: number): Promise<number[]>,
 *   past?(name: string, index: number): Promise<import("../../../types.js").Past>, goTo?(step: number): void, last?: number | null,
 *   nudge?(change: import("../../../types.js").Nudge | null): void,
 *   show?(picture: import("../../../types.js").Picture, cell: string): void,
 * }} PanelContext  the explained cell; sequence: the order of its terms; contributions: see Source; show: another image, and a cell;
 *   past: see Source; goTo: a step of training; last: the one that training took last, where it has ended; nudge: give a number another value; still: reduced motion is preferred; again: the same cell was shown just before
 * @typedef {{
 *   element: HTMLElement, count: number,
 *   show(done: number, stepping: boolean, quick?: boolean): void,
 *   say(done: number): string,
 * }} Stage
 *   shows how a value is computed, in `count` parts. show: the first `done` parts and, while stepping, which one came
 *   last, quick: too quickly to turn to its page; say: the same in words
 */

/** Creates a stage without parts. @param {HTMLElement} element @returns {Stage} */
export function staticStage(element) {
  return { element, count: 0, show() {}, say: () => "" };
}
