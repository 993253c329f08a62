/** Example settings. */
import { filterNamed, kernelOf } from "./filters.js";
import { array, kernel, plane, setting, withChannels, worked } from "./setting.js";

/** @typedef {import("./setting.js").Setting} Setting */

const STEP = plane(Array.from({ length: 6 }, () => [0, 0, 0, 9, 9, 9]));
const ZAYAN = plane([
  [5, 2, 7, 4],
  [6, 3, 2, 1],
  [8, 6, 5, 9],
  [1, 3, 6, 1],
]);
const SIGNAL = plane([[0, 0, 2, 5, 5, 5, 3, 0, 0, 1, 0, 0]]);
const ONE = plane(
  Array.from({ length: 5 }, (_, i) => Array.from({ length: 5 }, (_value, j) => Number(i === 2 && j === 2))),
);
const small = () => worked();

/** @typedef {{name: string, setting: () => Setting, filter?: string}} Example  filter: applied to the page's image */

/** @type {Example[]} */
export const EXAMPLES = [
  { name: "the worked example of the tutorials", setting: worked },
  { name: "the same as a true convolution", setting: () => ({ ...small(), kind: "convolution", beside: true }) },
  {
    name: "one bright pixel: an image of the kernel",
    setting: () =>
      setting(
        ONE,
        kernel([
          [1, 2, 3],
          [4, 5, 6],
          [7, 8, 9],
        ]),
        { beside: true, padding: "same" },
      ),
  },
  { name: "an edge and a Sobel kernel", setting: () => setting(STEP, kernelOf(filterNamed("Sobel x"), 1)) },
  { name: "the page’s image and a Sobel kernel", setting: worked, filter: "Sobel x" },
  { name: "padding and stride", setting: () => ({ ...small(), padding: "full", stride: [2, 2] }) },
  {
    name: "a dilated kernel",
    setting: () =>
      setting(
        STEP,
        kernel([
          [1, -1],
          [1, -1],
        ]),
        { dilation: [2, 2] },
      ),
  },
  { name: "two channels, three filters", setting: () => withChannels(small(), 2, 3) },
  { name: "one dimension", setting: () => setting(SIGNAL, kernel([[1, 2, 1]]), { padding: "same" }) },
  { name: "max pooling", setting: () => pooling("max") },
  {
    name: "max pooling with overlapping windows",
    setting: () => ({ ...small(), kind: "max", stride: [1, 1] }),
  },
  {
    name: "average pooling: the divisor at the border",
    setting: () => ({
      ...pooling("average"),
      window: [3, 3],
      stride: [2, 2],
      padding: [
        [1, 1],
        [1, 1],
      ],
    }),
  },
];

/** @param {"max" | "average"} kind @returns {Setting} */
const pooling = (kind) => ({ ...setting(ZAYAN, array([1, 1, 2, 2], [1, 2, -1, 0])), kind });
