/** All blocks of the lab with their tools. They are created once. */
import { button, createElement } from "../../elements.js";
import { asBlock } from "../../figures/typed.js";
import { sampleNumber } from "../../source/samples.js";
import { errorMessage } from "../../error_message.js";
import { Block } from "./block.js";
import { arrayOf, pasted, random, sized, typed, withArray } from "./editing.js";
import { FILTERS, kernelOf } from "./filters.js";
import { LARGEST } from "./setting.js";
import { outputShape } from "./sizes.js";
import { numbers } from "./switches.js";
import { ones, single } from "./upstream.js";

/**
 * @typedef {import("./setting.js").Setting} Setting
 * @typedef {import("./editing.js").Editable} Editable
 * @typedef {{
 *   change: (change: (now: Setting) => Setting) => void, now: () => Setting,
 *   pick: (cell: string, second: boolean) => void, hover: (cell: string | null, second: boolean) => void,
 *   say: (words: string) => void, restore: () => void,
 *   picture: () => void, crop: () => void, sample: (by: number) => void,
 * }} Actions
 */

/** @param {Actions} actions */
export function blocksOf(actions) {
  const reading = { pick: onLane(actions.pick, false), hover: onLane(actions.hover, false) };
  const below = { pick: onLane(actions.pick, true), hover: onLane(actions.hover, true) };
  const still = { pick: () => {}, hover: () => {} };
  const typing = (/** @type {Editable} */ which) => ({ ...reading, editing: editing(which, actions) });
  const [sizeOfX, sizeOfW] = [size("x", actions), size("w", actions)];
  const drawn = randomly("x", actions);
  const crop = button("crop centre", actions.crop, { title: "crop the image to its centre, as editable values" });
  const samples = [
    button("‹", () => actions.sample(-1), { "aria-label": "Previous sample" }),
    button("›", () => actions.sample(1), { "aria-label": "Next sample" }),
  ];
  const blocks = {
    x: new Block("x", "x", typing("x"), [sizeOfX.element, drawn, ...toolsOfX(actions), ...samples, crop]),
    w: new Block("w", "w", typing("w"), [sizeOfW.element, ...toolsOfW(actions)]),
    turned: new Block("rotated", "w rotated by 180°", still),
    b: new Block("b", "b", typing("b")),
    y: new Block("y", "y", reading),
    otherY: new Block("other", "y, convolution", below),
    counts: new Block("counts", "D, cells under the window", still),
    dy: new Block("dy", "dy, upstream gradient", typing("dy"), toolsOfDy(actions)),
    dw: new Block("dw", "dw", reading),
    dx: new Block("dx", "dx", reading),
    db: new Block("db", "db", reading),
  };
  const follow = (/** @type {Setting} */ now) => {
    sizeOfX.set(now.x.shape.slice(-2));
    sizeOfW.set(now.w.shape.slice(-2));
    const picture = now.source !== "";
    for (const tool of [sizeOfX.element, drawn]) tool.hidden = picture;
    crop.hidden = !picture;
    for (const tool of samples) tool.hidden = sampleNumber(now.source) === null;
  };
  return { blocks, follow };
}

/**
 * @template T
 * @param {(cell: T, second: boolean) => void} act
 * @param {boolean} second
 */
const onLane = (act, second) => (/** @type {T} */ cell) => act(cell, second);

/** @param {Editable} which @param {Actions} actions */
function editing(which, { change, now, say, restore }) {
  return {
    change: (/** @type {number} */ at, /** @type {number} */ value) => change((old) => typed(old, which, at, value)),
    paste(/** @type {number} */ at, /** @type {string} */ block) {
      try {
        const result = pasted(now(), which, at, block);
        change(() => result.now);
        say(result.words);
      } catch (error) {
        say(errorMessage(error));
      }
    },
    refuse: say,
    restore,
  };
}

/** @param {Actions} actions */
function toolsOfX(actions) {
  const picture = button("image", actions.picture, {
    title: "use the page’s image: a sample, a drawn digit or a loaded file",
  });
  return [copy("x", actions), picture];
}

/** @param {Actions} actions */
function toolsOfW(actions) {
  const select = createElement("select", { "aria-label": "Filter preset" }, createElement("option", { value: "" }, "filter presets …"));
  for (const filter of FILTERS) select.append(createElement("option", { value: filter.name }, filter.name));
  select.addEventListener("change", () => {
    const filter = FILTERS.find((each) => each.name === select.value);
    select.value = "";
    if (!filter) return;
    actions.change((now) => ({ ...now, w: kernelOf(filter, now.x.shape[0]), b: [0], dy: null }));
    actions.say(`${filter.name}: ${filter.words}.`);
  });
  return [randomly("w", actions), copy("w", actions), select];
}

/** @param {Actions} actions */
function toolsOfDy(actions) {
  const put = (
    /** @type {string} */ text,
    /** @type {(shape: number[]) => Setting["dy"]} */ of,
    /** @type {string} */ title,
  ) => {
    return button(text, () => actions.change((now) => ({ ...now, dy: of(outputShape(now)) })), { title });
  };
  return [
    put("pattern", () => null, "small distinct values, so that gradients differ"),
    put("ones", ones, "dw is then the sum of the windows, and dx the sum of the weights"),
    put("one cell", single, "the gradients are then the derivatives of that one output"),
    copy("dy", actions),
  ];
}

/** @param {"x" | "w"} which @param {Actions} actions */
function size(which, { change }) {
  return numbers("Size", ["rows", "columns"], 1, LARGEST, ([rows, columns]) => {
    change((old) => withArray(old, which, sized(old[which], rows, columns)));
  });
}

/** @param {Editable} which @param {Actions} actions */
function randomly(which, { change }) {
  const low = which === "w" ? [-2, 2] : [0, 9];
  return button("random", () => change((now) => withArray(now, which, random(arrayOf(now, which), low[0], low[1]))));
}

/** @param {Editable} which @param {Actions} actions */
function copy(which, { now, say }) {
  return button(
    "copy",
    async () => {
      const array = arrayOf(now(), which);
      const columns = array.shape[array.shape.length - 1];
      try {
        await navigator.clipboard.writeText(asBlock(array.data, columns));
        say("Copied; paste it into a spreadsheet.");
      } catch {
        say("This browser does not allow copying. The lab’s address contains all values.");
      }
    },
    { title: "copy the values for a spreadsheet" },
  );
}
