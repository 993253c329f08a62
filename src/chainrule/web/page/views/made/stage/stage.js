/**
 * What a stage is given, and what it is.
 *
 * @typedef {import("../../../types.js").Explanation} Explanation
 * @typedef {import("../../../types.js").Trace} Trace
 * @typedef {{
 *   explanation: Explanation, trace: Trace, still: boolean, again?: boolean,
 *   follow(cell: string): void, hover(cell: string | null): void, href(cell: string): string,
 * }} Making  one cell being made; still: the reader asked for less motion; again: it stood here a moment ago
 * @typedef {{
 *   element: HTMLElement, count: number,
 *   show(done: number, stepping: boolean): void,
 *   say(done: number): string,
 * }} Stage
 *   a picture of how a number is made, in `count` parts. show: the first `done` of them, and where it is stepped
 *   through, which one came last; say: the same in words
 */

export {};
