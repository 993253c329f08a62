/** One value per training step, with prefix sums for running means. */

export class Signal {
  /** @type {number[]} */
  values = [];
  sums = [0]; // sums[k]: sum of the first k values

  get length() {
    return this.values.length;
  }

  /** @param {number[]} more */
  append(more) {
    for (const value of more) {
      this.sums.push(this.sums[this.length] + (Number.isFinite(value) ? value : 0));
      this.values.push(value);
    }
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
      low = Math.min(low, this.values[k]);
      high = Math.max(high, this.values[k]);
    }
    return [low, high];
  }

  /**
   * Returns the running mean at a step, as in `chainrule/training/smoothing.py`: near the start the window is
   * shorter on both sides, near the end only on the right side.
   *
   * @param {number} center
   */
  mean(center) {
    const half = halfWindow(this.length);
    const reach = Math.min(center, half);
    const [first, behind] = [center - reach, Math.min(center + reach + 1, this.length)];
    return (this.sums[behind] - this.sums[first]) / (behind - first);
  }
}

/** Returns the number of neighbors on either side in a running mean of `count` values. @param {number} count */
function halfWindow(count) {
  return Math.floor(Math.sqrt(count) / 2);
}
