/**
 * A network from the self-contained file; its format is in `chainrule/web/single_file.py`.
 *
 * @import {Description, Frame, Series, Source} from "../types.js"
 */
import { inStartedWorker, inWorker } from "./channels.js";
import { FileTraining } from "./file_training.js";
import { arrayOf, bitsOf, numbersOf } from "./packed.js";
import { rowsOf } from "./samples.js";
import { StoredStep } from "./stored_step.js";

/** Returns the contents of the self-contained file; null if the page comes from a server. @returns {Promise<Source> | null} */
export function fileSource() {
  const text = document.getElementById("chainrule-data")?.textContent;
  return text ? readContents(JSON.parse(text)) : null;
}

/** @param {any} data @returns {Promise<Source>} */
async function readContents(data) {
  if (data.format !== 1) throw new Error(`this file has format ${data.format}; expected 1`);
  const { description } = data;
  const storedStep = await storedStepOf(data);
  if (!location.hash) storedStep?.batchStep().catch(() => undefined); // the page opens on it; a worker computes it meanwhile
  /** @type {Frame[]} */
  const frames = await Promise.all(data.frames.map(frameOf(description)));
  const samples = { ...data.samples, x: await arrayOf(data.samples.x) };
  const contents = { description, frames, samples, series: await seriesOf(data.series), training: data.training, storedStep };
  const training = new FileTraining(contents, inWorker("training"));
  return {
    description: async () => data.description,
    frame: (step) => training.frame(step),
    samples: async () => samples,
    batchStep: (step) => training.batchStep(step),
    contributions: (step, name, indices) => training.contributions(step, name, indices),
    training,
  };
}

/** @param {any} packed @returns {Promise<Series>} */
async function seriesOf(packed) {
  const columns = await Promise.all([packed.loss, packed.accuracy].map(numbersOf));
  const [loss = [], accuracy = []] = columns.map((column) => [...column]);
  return { first: 1, loss, accuracy };
}

/** Decodes the stored training step; null if there is none. @param {any} data */
async function storedStepOf({ batch_step: packed, frames, description }) {
  const frame = packed && frames.find((/** @type {Frame} */ { step }) => step === packed.step);
  if (!frame) return null;
  const { parameters, statistics, images, targets, weights, ...step } = packed;
  const rows = async (/** @type {any} */ numbers) => numbers && rowsOf(await numbersOf(numbers), step.numbers.length);
  const channel = location.hash ? inWorker("training") : inStartedWorker("training");
  const before = await frameOf(description)(frame);
  const [values, running] = await Promise.all([changed(before.parameters, parameters), changed(before.statistics, statistics)]);
  const after = { ...before, step: step.step + 1, parameters: values, statistics: running, moments: null };
  return new StoredStep(channel, description, before, {
    ...step, rate: before.rate, after, images: await arrayOf(images), targets: await rows(targets), weights: await rows(weights),
  });
}

/** Returns the values whose bits differ by `packed`. @param {Float32Array} before @param {import("./packed.js").Packed} packed */
async function changed(before, packed) {
  const bits = await bitsOf(packed);
  new Uint32Array(before.slice().buffer).forEach((bit, at) => (bits[at] ^= bit));
  return new Float32Array(bits.buffer);
}

/** @param {Description} description @returns {(packed: any) => Promise<Frame>} */
function frameOf(description) {
  return async ({ step, rate, parameters, statistics, moments }) => {
    const values = await numbersOf(parameters);
    const zeros = () => description.optimizer.moments.map(() => new Float32Array(values.length));
    const kept = moments === "zeros" ? zeros() : moments && (await Promise.all(moments.map(numbersOf)));
    return { step, rate, parameters: values, statistics: await numbersOf(statistics), moments: kept };
  };
}
