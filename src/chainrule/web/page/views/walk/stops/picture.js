/** What the network sees. */
import { rough } from "../../../brief.js";
import { named } from "../../../explain/naming.js";
import { shown } from "../../../explain/numbers.js";
import { choices } from "../stop.js";

/** @param {import("../look.js").Look} look @returns {import("../stop.js").Stop | null} */
export function picture(look) {
  const { shape } = look.array("x");
  if (shape.length !== 3) return null;
  const { gain, offset, pixels } = look.description.normalisation;
  const times = pixels === "shares" ? gain / 255 : gain;
  const index = look.largest("x", (value) => value * Math.sign(times));
  const value = look.value("x", index);
  const byte = Math.round((value - offset) / times);
  const found = choices("picture", rough(value), [byte / 255, byte, times * byte, -value].map(rough));
  if (!found) return null;
  const [C, H, W] = shape;
  const numbers = `${C > 1 ? `${C} × ` : ""}${H} × ${W} = ${(C * H * W).toLocaleString("en")}`;
  return {
    id: "picture",
    title: "What the network sees",
    phase: "forward",
    cell: named("x", index),
    number: null,
    words: [
      `A picture is ${numbers} numbers from 0 (nothing) to 255 (full ink), and nothing else. The network does not ` +
        "know which of them are neighbours; that is left to the way its layers are built.",
      `It does not read the bytes as they are: each is multiplied by ${rough(times)}, and ${rough(offset)} is added, ` +
        "so that the numbers are neither large nor all of one sign.",
    ],
    figures: [
      {
        ...look.figure("x, as the network reads it", "x", [index[0]]),
        marks: new Map([[index[1] * W + index[2], "chosen"]]),
      },
    ],
    question: `The pixel with the most ink (marked) is ${byte} in the file. Which number does the network read there?`,
    choices: found,
    reveal: [
      `${shown(times)} · ${byte} + (${shown(offset)}) = ${shown(value)}. ` +
        `Where there is no ink, ${shown(offset)} is read.`,
    ],
  };
}
