/**
 * One value per training step, with prefix sums for running means, and the minimum and maximum of groups of 2, 4, 8 …
 * values. The time to draw a range of steps therefore depends on the width of the plot, not on the number of steps.
 */

export class Signal {
  constructor() {
    this.length = 0;
    this.values = new Float64Array(1024);
    this.sums = new Float64Array(1025); // sums[k]: sum of the first k values
    /**
     * @type {{low: Float64Array, high: Float64Array}[]} levels[k]: minimum and maximum of each complete group of
     *   2^(k+1) values
     */
    this.levels = [];
  }

  /** @param {ArrayLike<number>} more */
  append(more) {
    for (let k = 0; k < more.length; k += 1) {
      const value = more[k] ?? NaN;
      this.reserve(this.length + 1);
      this.values[this.length] = value;
      this.sums[this.length + 1] = (this.sums[this.length] ?? 0) + (Number.isFinite(value) ? value : 0);
      this.length += 1;
      this.close();
    }
  }

  /** Adds the minimum and maximum of the groups that the newest value completes. */
  close() {
    for (let level = 0, size = 2; this.length % size === 0; level += 1, size *= 2) {
      const index = this.length / size - 1;
      const groups = (this.levels[level] ??= { low: new Float64Array(16), high: new Float64Array(16) });
      if (index >= groups.low.length) {
        groups.low = grown(groups.low, index + 1);
        groups.high = grown(groups.high, index + 1);
      }
      const below = level === 0 ? null : this.levels[level - 1];
      const [low, high] = [below?.low ?? this.values, below?.high ?? this.values];
      groups.low[index] = Math.min(at(low, 2 * index), at(low, 2 * index + 1));
      groups.high[index] = Math.max(at(high, 2 * index), at(high, 2 * index + 1));
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
    for (let k = first; k < last; ) {
      let [level, size] = [-1, 1];
      while (k % (2 * size) === 0 && k + 2 * size <= last && level + 1 < this.levels.length) {
        level += 1;
        size *= 2;
      }
      const groups = level < 0 ? null : this.levels[level];
      low = Math.min(low, at(groups?.low ?? this.values, k / size));
      high = Math.max(high, at(groups?.high ?? this.values, k / size));
      k += size;
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
