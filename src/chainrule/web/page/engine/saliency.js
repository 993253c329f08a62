/**
 * Where a network looks: the gradient of a score, before a final softmax or sigmoid, with respect to the input.
 *
 * The Python version: chainrule/explain/saliency.py.
 */

import { Interpreter, gradientName } from "./interpreter.js";
import { placeOfLargest, zeros } from "./tensor.js";
import { buffersOf, input, meansOfChannels } from "./trace.js";

/**
 * Returns |∂score/∂x| for the normalized image x, its maximum over the channels, row-major over the positions.
 *
 * The score is that of the image's label or, without one, the largest; for a dense prediction, its sum over the positions.
 *
 * @param {Pick<import("../types.js").Trace, "description" | "frame" | "picture">} shown
 */
export function saliency({ description, frame, picture }) {
  const { backward, ...forward } = description.saliency;
  const walk = new Interpreter({ ...forward, backward: [] }, description.layout, buffersOf(frame));
  walk.run(input(description, picture), null);
  const scores = walk.read(forward.output);
  const [, outputs] = scores.shape;
  const positions = scores.data.length / outputs;
  const start = zeros(scores.shape);
  const label = picture.label ?? placeOfLargest(meansOfChannels(scores));
  if (outputs === 1) start.data.fill(picture.label === 0 ? -1 : 1);
  else start.data.fill(1, label * positions, (label + 1) * positions);
  walk.values.set(gradientName(forward.output.storage), start);
  walk.walk(backward);
  const gradient = walk.values.get(gradientName(forward.input.storage))?.data ?? [];
  const [channels] = description.input_shape;
  const size = gradient.length / channels;
  return Array.from({ length: size }, (_, at) => Math.max(...Array.from({ length: channels }, (_, c) => Math.abs(gradient[c * size + at]))));
}
