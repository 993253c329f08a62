/** The stops in order. A stop is omitted if the network does not have its layer. */
import { Look } from "../look.js";
import { dense, first, loss, softmax } from "./answer.js";
import { errors, gate, rotation } from "./back.js";
import { pooling, relu, route } from "./between.js";
import { channels, edges, patch } from "./convolution.js";
import { again, gradient, step } from "./learning.js";
import { picture } from "./picture.js";

const FORWARD = [picture, patch, edges, relu, channels, pooling, dense, softmax, loss];
const BACKWARD = [first, errors, gate, route, gradient, rotation, step, again];

/** @param {import("../../../types.js").Trace} trace @returns {import("../stop.js").Stop[]} */
export function stopsOf(trace) {
  const look = new Look(trace);
  return [...FORWARD, ...BACKWARD].map((stop) => stop(look)).filter((stop) => stop !== null);
}
