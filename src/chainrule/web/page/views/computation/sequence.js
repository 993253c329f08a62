/** The order in which the terms of a sum are added: zeros are left out, and the largest come first or all by place. */

/** The reader's choice, kept from one value to the next. */
let byPlace = false;

export class Sequence {
  /** Places of the terms that are not zero, in the order in which they are added. @type {number[]} */
  order = [];
  /** The sums of the first 0, 1, 2 … of them. @type {number[]} */
  sums = [0];
  /** Rank of each term in the order; −1 for a zero. @type {Int32Array} */
  ranks;

  /** @param {{value: number}[]} terms */
  constructor(terms) {
    this.terms = terms;
    this.ranks = new Int32Array(terms.length).fill(-1);
    this.#arrange();
  }

  get byPlace() {
    return byPlace;
  }

  set byPlace(value) {
    byPlace = value;
    this.#arrange();
  }

  /** Number of terms that are added. */
  get count() {
    return this.order.length;
  }

  /** Number of terms left out. */
  get zeros() {
    return this.terms.length - this.count;
  }

  /** Returns whether a term is among the first ones. @param {number} place @param {number} done */
  isAdded(place, done) {
    return this.ranks[place] < done;
  }

  /** Returns the places of all terms: those in the order, then the zeros. */
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
    if (!byPlace) this.order = [...this.order].sort((a, b) => size(b) - size(a) || a - b);
    this.ranks.fill(-1);
    this.sums = [0];
    this.order.forEach((place, rank) => {
      this.ranks[place] = rank;
      this.sums.push(this.sums[rank] + terms[place].value);
    });
  }
}
