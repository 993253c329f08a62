/** The divisor of average pooling at each position: the number of cells of the image that its window covers. */
import { operations } from "../../engine/operations.js";
import { reshaped } from "../../engine/tensor.js";
import { paddingOf, strideOf } from "./sizes.js";
import { ones } from "./upstream.js";

/** @param {import("./setting.js").Setting} setting @returns {import("../../types.js").NDArray} */
export function divisors(setting) {
  const [, H, W] = setting.x.shape;
  const options = { window: setting.window, stride: strideOf(setting), padding: paddingOf(setting), divisor: "one" };
  const [counted] = operations.average_pool([reshaped(ones([1, H, W]), [1, 1, H, W])], options);
  return reshaped(counted, counted.shape.slice(1));
}
