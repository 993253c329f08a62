/**
 * Types of the data that modules of the page exchange. This module contains no code.
 *
 * @typedef {{shape: number[], data: Float64Array | Float32Array | Int32Array}} NDArray  row-major
 *
 * @typedef {{name: string, shape: number[], kind: string, storage: string, integer: boolean}} Tensor
 * @typedef {{
 *   name: string, reads: (Tensor | null)[], writes: Tensor[], attributes: Record<string, any>,
 *   runtime: Record<string, [string, number]>, scope: "sample" | "batch", is_custom: boolean,
 * }} Operation
 * @typedef {{
 *   input: Tensor, output: Tensor, target: Tensor | null, loss: Tensor | null, correct: Tensor | null, weights: Tensor | null,
 *   forward: Operation[], backward: Operation[], deferred: Operation[],
 * }} Plan
 *
 * @typedef {{
 *   name: string, type: string, written: string, inputs: (string | null)[], shares: string | null,
 *   input: number[], output: number[], parameters: number,
 * }} LayerInfo  a layer. inputs: names of the layers that it reads, null for the network's input; shares: the layer
 *   that owns its parameters, null if it does
 * @typedef {{
 *   name: string, operation: string, moments: string[], learning_rate: number, attributes: Record<string, any>,
 * }} OptimizerInfo
 * @typedef {string | number | [string, any, any]} ParsedIndex
 * @typedef {{parts: any[], tree: any}} Expression
 * @typedef {{reduce: string, over: string[], value: Expression}} Reduction
 * @typedef {{scale?: Expression, parts: {over: string[] | null, terms: Expression[][]}[]}} SumOfProducts
 * @typedef {{
 *   name: string, index?: string[], cases?: {value: Expression, when?: Expression, sum?: SumOfProducts}[],
 *   alias?: Record<string, string>, if?: string[], unless?: string[],
 * }} Formula
 * @typedef {{name: string, index: string[]}} IndexedName
 * @typedef {{steps: Formula[], rule: Formula[], words: import("./explain/words.js").Sentence[]}} CalculationResult
 * @typedef {{
 *   reads: IndexedName[], writes: IndexedName[], results: CalculationResult[], where: Formula[],
 *   names?: "own", letters?: Record<string, string | number>, constants: Record<string, Expression>, indices: Record<string, Formula>,
 *   ranges: Record<string, [Expression, Expression]>, over?: string[], facts: Record<string, Expression>,
 * }} CalculationEntry  an operation that is explained with named steps and sums; see chainrule/operations/definitions.py
 * @typedef {{
 *   called?: string, words: import("./explain/words.js").Sentence[],
 *   value?: Formula[], slope?: Formula[], keeps?: string, facts?: Record<string, Expression>,
 *   steps?: Formula[], rule?: Formula[], letters?: Record<string, string>,
 *   quantities?: Formula[], effects?: Formula[], moment?: string,
 *   remembers?: import("./explain/words.js").Sentence[], factor?: import("./explain/words.js").Sentence[],
 * }} OperationEntry  see chainrule/operations/__init__.py
 * @typedef {{name: string, shape: number[], kind: string, title: string}} Entry  a tensor of a trace
 * @typedef {{
 *   entries: Entry[], aliases: Record<string, [string, number[]][]>, writers: Record<string, [number, number, string]>,
 *   inputs: Record<string, string>, omitted: Operation[],
 * }} Catalogue  writers: number of the operation (of the plan, forward, deferred and backward, then `omitted`), position
 *   among its outputs, and layer; omitted: operations that the plan leaves out because it joins a layer with the loss
 * @typedef {{title: string, words: string[], cell: string | null, sample: number | null, step: number | null}} OwnStop
 *   a stop of a teacher's walk. sample, step: null if the stop does not change them
 * @typedef {{
 *   format: number, name: string, classes: string[], thresholds: number[], input_shape: number[],
 *   normalization: {kind: string, gain: number | number[], origin: number | number[], white?: number, digits?: boolean},
 *   layers: LayerInfo[], layout: Record<string, [number, number]>, trained: string[], shapes: Record<string, number[]>,
 *   plan: Plan, inference: Plan,
 *   from_file: boolean, catalogue: Catalogue, outputs: {name: string, size: number, loss: string, measure: string, weight: number}[], measure: string, recipe: Record<string, any>, step: StepInfo, optimizer: OptimizerInfo, code?: Record<string, CodePlace[]>,
 *   derivations?: Record<string, string | null>, start?: string | null, walk?: OwnStop[] | null,
 *   operations: Record<string, OperationEntry>,
 * }} Description  written by `chainrule/web/description.py`. layout, shapes: of each parameter, running statistic and constant; trained: names of the parameters;
 *   plan: of training, with the gradient of the input; inference: the plan of the forward pass alone;
 *   start: the address to open, null if the page chooses it; walk: the stops of a teacher's walk, which replaces the page's own walk;
 *   operations: equations and sentences, from chainrule/operations;
 *   from_file: whether the network comes from a model file, so that nothing is known about its training;
 *   thresholds: smallest output that means yes, of each output; empty if outputs do not mean yes or no;
 *   measure: the metric of each step besides the loss: "accuracy", "label_accuracy" or "mean_absolute_error"
 *
 * @typedef {{
 *   smoothing: number, scaling: {means: number[], deviations: number[]} | null, parts: number, frozen: string[],
 * }} StepInfo  what a training step does to targets, batches and parameters; see `_step` in chainrule/web/description.py.
 *   Targets of samples and of batches are as training uses them; labels become such targets in `targetsOf`
 *
 * @typedef {{
 *   step: number, rate: number, parameters: Float32Array, statistics: Float32Array, moments: Float32Array[] | null,
 * }} Frame  the network after `step` steps. rate: learning rate of the next step; moments: null if not stored
 *
 * @typedef {{
 *   step: number, rate: number, norm: number, scale: number, after: Frame,
 *   gradient: Float32Array | Float64Array, numbers: number[], labels: number[] | null,
 *   targets?: number[][] | null, weights?: number[][] | null, images: Uint8Array | Float32Array | null,
 * }} BatchStep  the training step after the frame of `step`. after: the next frame, bit-identical to training; gradient:
 *   of the mean loss, flat; norm: of the gradient; scale: the factor that clips it; numbers: indices of the images in the training data; labels: null without classes;
 *   targets: of the images, as training uses them; weights: in the loss, null if all are 1
 *
 * @typedef {{cell: string, tensor: string, flat: number, value: number}} Nudge  a changed element; flat: its flat index in
 *   the tensor
 *
 * @typedef {{
 *   x: Uint8Array | Float32Array, label: number | null, target?: number[] | null, weights?: number[] | null, from: string, place?: number,
 * }} Picture
 *   one input before its normalization, row-major in the input shape of the model: bytes, or floats in the unit of training; from: "sample 12", "image 3 of the batch", "drawn" or
 *   a file name; place: index of the image in its batch, which dropout depends on (default 0)
 *
 * @typedef {{
 *   description: Description, frame: Frame, picture: Picture,
 *   values: Map<string, NDArray>, batch: BatchStep | null, nudge: Nudge | null,
 * }} Trace
 *   one training step on one image, in float64. batch: the training step that the updates belong to, null for a step on
 *   this image alone; conv2.w.g is the gradient of that batch. values: canonical tensor name -> array WITHOUT the sample
 *   axis, in the shape of the operation that wrote it: x, t, conv1.y, conv2.dw, pool1.winner, loss.y, conv2.w,
 *   conv2.w.update, conv2.w.m (moments before the step), softmax1.y, softmax1.dy
 *
 * @typedef {{name: string, cell: string | null, value: number, gap: string | null}} Factor
 * @typedef {{factors: Factor[], value: number}} Term
 * @typedef {{name: string, symbols: string, numbers: string, value: number, shown: string}} Step
 * @typedef {{file: string, function: string, line: number}} CodePlace
 * @typedef {{
 *   cell: string, tensor: string, index: number[], value: number, shown: string, layer: string | null, operation: string | null,
 *   title: string, words: string, symbols: string | null, here: string | null, terms: Term[],
 *   scale?: {symbols: string, value: number},
 *   pick?: {candidates: {cell: string, value: number}[], winner: number},
 *   curve?: {function: string, x: number, y: number, slope: number},
 *   steps?: Step[], rounding?: number,
 *   jacobian?: {rows: {k: number, p: number, t: number, dp: number, j: number, product: number}[]},
 *   code: CodePlace[], derivation: string | null, sources: string[],
 * }} Explanation  the same record as in Python's `chainrule/explain`; rounding: the float32 rounding error of training
 *
 * @typedef {{tensor: string, from: number[], to: number[]}} Box  cells from (inclusive) to (exclusive), axis by axis
 *
 * @typedef {"forward" | "backward" | "update"} Phase
 * @typedef {{
 *   phase: Phase, cell: string | null, sample: number | null, image: number | null, step: number | null,
 *   why: string | null, hold: string | null, stop: number | null, hall: boolean,
 * }} Place
 *   the place on the page, as in the address after #. sample: index among the samples; image: index in the batch of the
 *   next training step; both null: a drawn image; step null: the newest; why: the weight whose change is
 *   explained; hold: the number that is kept on the sheet; stop: the stop of the sheet, from 1; hall: whether lecture mode is on
 *
 * @typedef {{
 *   step: number, steps: number, epochSteps: number, running: boolean, message: string | null, newest: number,
 *   history?: string, origin?: number, sparse?: boolean, fixed?: boolean, best?: number, early?: number,
 * }} TrainingState  step: completed steps; steps: of the whole recipe (0: unlimited). history: the name of the open
 *   history if there are several; origin: the step at which that history starts (default 0); sparse: only marked steps
 *   can be viewed; fixed: whether the network cannot be trained; best: the step whose weights the run keeps; early: a step soon after the loss starts to fall
 * @typedef {{step: number, words: string}} Mark  a step whose frame is stored: a keyframe
 * @typedef {{name: string, words: string}} History  one history of training, and its label
 * @typedef {{
 *   first: number, loss: number[], accuracy: number[],
 * }} Series  loss and metric (`accuracy`, for any metric) of each step's batch, starting at step `first` (counted from 1)
 * @typedef {{
 *   state(): Promise<TrainingState>,
 *   series(after: number): Promise<Series>,
 *   start(): Promise<TrainingState>, pause(): Promise<TrainingState>,
 *   advance(steps: number): Promise<TrainingState>, epoch(): Promise<TrainingState>,
 *   restart(): Promise<TrainingState>,
 *   about?(): string, marks?(): Mark[], histories?(): History[], open?(name: string): Promise<TrainingState>,
 *   begin?(step: number): Promise<TrainingState>,
 *   rate?(): number, setRate?(rate: number): void,
 * }} Training  rate, setRate: the learning rate of a new history, if it can be chosen; about: describes the training data; histories: lists the histories that can be opened; begin: starts a new history from a step of the open one
 *
 * @typedef {{
 *   count: number, labels: number[], targets?: number[][] | null, weights?: number[][] | null, x: Uint8Array | Float32Array,
 * }} Samples
 *   images to choose from, in one array; targets: of each image if they are numbers, or classes of its pixels;
 *   null or missing for one class. Images with classes of pixels have no labels
 *
 * @typedef {{
 *   description(): Promise<Description>,
 *   frame(step: number | null, signal?: AbortSignal): Promise<Frame>,
 *   samples(): Promise<Samples>,
 *   batchStep(step: number): Promise<BatchStep>,
 *   contributions(step: number, name: string, indices: number[]): Promise<number[][]>,
 *   training: Training,
 * }} Source  provides the network: the server, or the file that contains the page. batchStep: the training step after a
 *   frame; contributions: for each of some elements of a parameter, those of each image of its batch to its gradient
 *
 * @typedef {{
 *   source: Source, description: Description, place: Place,
 *   go(change: Partial<Place>): void,
 *   show(picture: Picture): void, answer(picture: Picture): number[] | null,
 *   trace: Trace | null, picture: Picture | null, alone: string | null,
 *   listen(what: "place" | "trace" | "training", listener: () => void): void,
 *   training: TrainingState | null,
 *   nudge(change: Nudge | null): void,
 * }} App  passed to every view. go: changes the place and the address; show: shows another image; answer: the network's
 *   output for an image, if the network is loaded; alone: why the training step cannot be shown, null if it can;
 *   listen: calls the listener when the place changes ("place"), a new trace is available ("trace") or the training state
 *   changes ("training")
 */

export {};
