/**
 * Input and interface of a stage.
 *
 * @typedef {import("../../../types.js").Explanation} Explanation
 * @typedef {import("../../../types.js").Trace} Trace
 * @typedef {{
 *   explanation: Explanation, trace: Trace, still: boolean, again?: boolean,
 *   follow(cell: string): void, hover(cell: string | null): void, href(cell: string): string,
 * }} Making  the explained cell; still: reduced motion is preferred; again: the same cell was shown just before
 * @typedef {{
 *   element: HTMLElement, count: number,
 *   show(done: number, stepping: boolean): void,
 *   say(done: number): string,
 * }} Stage
 *   shows how a value is computed, in `count` parts. show: the first `done` parts and, while stepping, which one came
 *   last; say: the same in words
 */

export {};
