/** The order of the terms of a sum. Zeros are omitted; the other terms are sorted by magnitude or stay in order. */

/** Whether the reader chose the original order; kept when another value is explained. */
let inOrder = false;

export class Sequence {
  /** Indices of the nonzero terms, in the order of addition. @type {number[]} */
  order = [];
  /** Partial sums of the first 0, 1, 2 … terms. @type {number[]} */
  sums = [0];
  /** Rank of each term in the order; −1 for a zero. @type {Int32Array} */
  ranks;

  /** @param {{value: number}[]} terms */
  constructor(terms) {
    this.terms = terms;
    this.ranks = new Int32Array(terms.length).fill(-1);
    this.#arrange();
  }

  get inOrder() {
    return inOrder;
  }

  set inOrder(value) {
    inOrder = value;
    this.#arrange();
  }

  /** Number of terms that are added. */
  get count() {
    return this.order.length;
  }

  /** Number of zeros, which are omitted. */
  get zeros() {
    return this.terms.length - this.count;
  }

  /** Returns whether a term is among the first `done` terms. @param {number} place @param {number} done */
  isAdded(place, done) {
    return this.ranks[place] < done;
  }

  /** Returns the indices of all terms: first those in the order, then the zeros. */
  all() {
    const zeros = this.zeros ? Array.from(this.ranks.keys()).filter((place) => this.ranks[place] < 0) : [];
    return [...this.order, ...zeros];
  }

  #arrange() {
    const { terms } = this;
    const places = Array.from(terms.keys());
    const some = places.filter((place) => terms[place].value !== 0);
    this.order = some.length ? some : places;
    const size = (/** @type {number} */ place) => Math.abs(terms[place].value);
    if (!inOrder) this.order = [...this.order].sort((a, b) => size(b) - size(a) || a - b);
    this.ranks.fill(-1);
    this.sums = [0];
    this.order.forEach((place, rank) => {
      this.ranks[place] = rank;
      this.sums.push(this.sums[rank] + terms[place].value);
    });
  }
}
