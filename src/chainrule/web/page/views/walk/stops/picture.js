/** The stop on the network's input. */
import { roughNumber, whole } from "../../../numbers_brief.js";
import { byteGain } from "../../../engine/trace.js";
import { named } from "../../../explain/naming.js";
import { formatNumber } from "../../../explain/numbers.js";
import { choices } from "../stop.js";

/** @param {import("../look.js").Look} look @returns {import("../stop.js").Stop | null} */
export function picture(look) {
  const { shape } = look.array("x");
  if (shape.length !== 3) return null;
  const { normalization } = look.description;
  const [times, offset] = [byteGain(normalization), normalization.offset];
  const index = look.largest("x", (value) => value * Math.sign(times));
  const value = look.value("x", index);
  const byte = Math.round((value - offset) / times);
  const found = choices("picture", roughNumber(value), [byte / 255, byte, times * byte, -value].map(roughNumber));
  if (!found) return null;
  const [C, H, W] = shape;
  const ends = [offset, 255 * times + offset].sort((one, other) => one - other);
  const numbers = `${C > 1 ? `${C} × ` : ""}${H} × ${W} = ${whole(C * H * W)}`;
  return {
    id: "picture",
    title: "What the network sees",
    phase: "forward",
    cell: named("x", index),
    number: null,
    words: [
      `An image is ${numbers} values from 0 ${C > 1 ? "(dark) to 255 (bright)" : "(background) to 255 (full ink)"}, and nothing else. The network does not ` +
        "know which of them are neighbours; the structure of its layers accounts for that.",
      `The bytes are normalized first: each is multiplied by ${roughNumber(times)}, and ${roughNumber(offset)} is added, ` +
        `so that the values lie between ${ends.map((end) => roughNumber(end)).join(" and ")}.`,
    ],
    figures: [
      {
        ...look.figure("x, as the network reads it", "x", [index[0]]),
        marks: new Map([[index[1] * W + index[2], "chosen"]]),
      },
    ],
    question: `The pixel ${C > 1 ? "that is brightest" : "with the most ink"} (marked) is ${byte} in the file. What value does the network read there?`,
    choices: found,
    reveal: [
      `${formatNumber(times)} · ${byte} + (${formatNumber(offset)}) = ${formatNumber(value)}. ` +
        `Where the file has 0, the value is ${formatNumber(offset)}.`,
    ],
  };
}
