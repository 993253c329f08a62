/**
 * The kernels of one convolution as one small image: a column per filter, a row per input channel.
 *
 * @typedef {{name: string, shape: number[], from: number, to: number}} Weights  from, to: range in the parameters
 * @typedef {{values: Float32Array, top: number, diverging(share: number): number[]}} Filling
 * values: all weights of the layer; top: the magnitude shown in the strongest color
 */

const MAX_DRAWN = [32, 16]; // filters and input channels
const MAX_SIZE = [320, 192]; // CSS pixels: width and height

export class KernelMap {
  /** @param {Weights} weights @param {(index: number[] | null, chosen: boolean) => void} pointed */
  constructor(weights, pointed) {
    const [filters = 1, inputs = 1, height = 1, width = 1] = weights.shape;
    this.weights = weights;
    this.pointed = pointed;
    this.filters = Math.min(filters, MAX_DRAWN[0] ?? 1);
    this.inputs = Math.min(inputs, MAX_DRAWN[1] ?? 1);
    this.kernel = { height, width };
    this.columns = this.filters * (width + 1) - 1;
    this.rows = this.inputs * (height + 1) - 1;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "train-kernel-map";
    this.canvas.width = this.columns;
    this.canvas.height = this.rows;
    const pixel = Math.min((MAX_SIZE[0] ?? 1) / this.columns, (MAX_SIZE[1] ?? 1) / this.rows);
    this.pixel = Math.max(2, Math.min(10, Math.floor(pixel)));
    this.canvas.style.width = `${this.columns * this.pixel}px`;
    this.canvas.style.height = `${this.rows * this.pixel}px`;
    /** @type {number[] | null} the keyboard cursor */
    this.cursor = null;
    this.listen();
  }

  /** Describes which kernels are drawn if there are too many; otherwise "". */
  get omission() {
    const [filters = 1, inputs = 1] = this.weights.shape;
    const parts = [
      ...(filters > this.filters ? [`${this.filters} of ${filters} filters`] : []),
      ...(inputs > this.inputs ? [`${this.inputs} of ${inputs} input channels`] : []),
    ];
    return parts.length ? `the first ${parts.join(", ")}` : "";
  }

  listen() {
    const { canvas } = this;
    canvas.tabIndex = 0;
    canvas.addEventListener("pointermove", (event) => this.pointed(this.at(event), false));
    canvas.addEventListener("pointerleave", () => this.pointed(null, false));
    canvas.addEventListener("click", (event) => this.pointed(this.at(event), true));
    canvas.addEventListener("blur", () => this.pointed(null, false));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  /** Returns the weight under the pointer: [o, c, u, v]. @param {MouseEvent} event */
  at(event) {
    const x = Math.floor((event.offsetX / Math.max(1, this.canvas.clientWidth)) * this.columns);
    const y = Math.floor((event.offsetY / Math.max(1, this.canvas.clientHeight)) * this.rows);
    const { height, width } = this.kernel;
    const index = [Math.floor(x / (width + 1)), Math.floor(y / (height + 1)), y % (height + 1), x % (width + 1)];
    return index[2] === height || index[3] === width || x < 0 || y < 0 ? null : index;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const move = moves[/** @type {keyof typeof moves} */ (event.key)];
    if (event.key === "Enter" && this.cursor) this.pointed(this.cursor, true);
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    this.cursor = this.cursor ? this.moved(this.cursor, move) : [0, 0, 0, 0];
    this.pointed(this.cursor, false);
  }

  /** @param {number[]} cursor @param {number[]} move */
  moved([o = 0, c = 0, u = 0, v = 0], [down = 0, right = 0]) {
    const { height, width } = this.kernel;
    const row = Math.min(this.inputs * height - 1, Math.max(0, c * height + u + down));
    const column = Math.min(this.filters * width - 1, Math.max(0, o * width + v + right));
    return [Math.floor(column / width), Math.floor(row / height), row % height, column % width];
  }

  /** Returns the offset of a weight in its layer. @param {number[]} index */
  place([o = 0, c = 0, u = 0, v = 0]) {
    const [, inputs = 1, height = 1, width = 1] = this.weights.shape;
    return ((o * inputs + c) * height + u) * width + v;
  }

  /** @param {Filling} filling */
  draw({ values, top, diverging }) {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const image = context.createImageData(this.columns, this.rows);
    const { height, width } = this.kernel;
    for (let o = 0; o < this.filters; o += 1) {
      for (let c = 0; c < this.inputs; c += 1) {
        for (let u = 0; u < height; u += 1) {
          for (let v = 0; v < width; v += 1) {
            const at = 4 * ((c * (height + 1) + u) * this.columns + o * (width + 1) + v);
            image.data.set(diverging((values[this.place([o, c, u, v])] ?? 0) / top), at);
            image.data[at + 3] = 255;
          }
        }
      }
    }
    context.putImageData(image, 0, 0);
  }
}
