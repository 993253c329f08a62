/** One value per training step, with prefix sums for running means. */

export class Signal {
  constructor() {
    this.length = 0;
    this.values = new Float64Array(1024);
    this.sums = new Float64Array(1025); // sums[k]: sum of the first k values
  }

  /** @param {ArrayLike<number>} more */
  append(more) {
    for (let k = 0; k < more.length; k += 1) {
      const value = more[k] ?? NaN;
      this.reserve(this.length + 1);
      this.values[this.length] = value;
      this.sums[this.length + 1] = (this.sums[this.length] ?? 0) + (Number.isFinite(value) ? value : 0);
      this.length += 1;
    }
  }

  /** @param {number} size */
  reserve(size) {
    if (size <= this.values.length) return;
    this.values = grown(this.values, size);
    this.sums = grown(this.sums, size + 1);
  }

  /**
   * Returns the minimum and maximum of the values from `first` (inclusive) to `last` (exclusive).
   *
   * @param {number} first @param {number} last
   * @returns {[number, number]}
   */
  range(first, last) {
    let [low, high] = [Infinity, -Infinity];
    for (let k = first; k < last; k += 1) {
      low = Math.min(low, at(this.values, k));
      high = Math.max(high, at(this.values, k));
    }
    return [low, high];
  }

  /**
   * Returns the running mean at a step, as in `chainrule/plotting/series.py`: near the start the window is
   * shorter on both sides, near the end only on the right side.
   *
   * @param {number} center
   */
  mean(center) {
    const half = halfWindow(this.length);
    const reach = Math.min(center, half);
    const [first, behind] = [center - reach, Math.min(center + reach + 1, this.length)];
    return (at(this.sums, behind) - at(this.sums, first)) / (behind - first);
  }
}

/** Returns the number of neighbors on either side in a running mean of `count` values. @param {number} count */
export function halfWindow(count) {
  return Math.floor(Math.sqrt(count) / 2);
}

/** @param {Float64Array} array @param {number} index */
function at(array, index) {
  return array[index] ?? NaN;
}

/** @param {Float64Array} array @param {number} size @returns {Float64Array<ArrayBuffer>} */
function grown(array, size) {
  const larger = new Float64Array(Math.max(size, 2 * array.length));
  larger.set(array);
  return larger;
}
