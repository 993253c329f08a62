/** The size of a cell, the same for all maps, so that the network diagram fits its container. */

import { Planes } from "./planes.js";

/** @typedef {import("./block.js").Block} Block */
/** @typedef {import("./planes.js").Room} Room */

const UNITS = [4, 3.5, 3, 2.5, 2]; // pixels per cell, largest first
const WIDE = 204; // pixels of a stage that has more maps than fit below each other
const LOUPE_MOST = 40;
const LOUPE_LEAST = 12;

/**
 * Fits every block with the largest unit at which the number of pages is minimal and the track is no wider than its
 * container.
 * @param {HTMLElement} place @param {HTMLElement} track @param {Block[]} blocks
 */
export function fitRiver(place, track, blocks) {
  const density = globalThis.devicePixelRatio || 1;
  const units = UNITS.filter((unit) => Number.isInteger(unit * density));
  const pages = Math.min(...units.map((unit) => pagesAt(blocks, unit)));
  for (const unit of units.filter((each) => pagesAt(blocks, each) === pages)) {
    for (const block of blocks) block.fit(roomOf(block, unit));
    if (track.scrollWidth <= place.clientWidth) return;
  }
}

/** Returns the total number of pages at a unit. @param {Block[]} blocks @param {number} unit */
function pagesAt(blocks, unit) {
  const pages = (/** @type {Block} */ { shape, spec }, /** @type {Room} */ room) =>
    new Planes(shape ?? [], room, spec.role, spec.reads).pages;
  return blocks.reduce((sum, block) => sum + pages(block, roomOf(block, unit)), 0);
}

/** @param {Block} block @param {number} unit @returns {Room} */
function roomOf(block, unit) {
  const shape = block.shape ?? [];
  if (block.spec.role === "maps") {
    const high = Math.min(336, Math.max(232, globalThis.innerHeight * 0.34));
    return { wide: WIDE, high, unit, cell: mapCell(shape[0] ?? 1, unit), gap: 4 };
  }
  const isBias = shape.length === 1;
  const isRow = isBias && shape[0] <= 16;
  const high = isBias ? 52 : block.spec.reads || shape.length > 2 ? 164 : 84;
  return { wide: WIDE, high, unit, cell: isRow ? (shape[0] > 8 ? 7 : 9) : 5, gap: unit < 3 ? 2 : 3 };
}

/** @param {number} size @param {number} unit */
function mapCell(size, unit) {
  if (size <= 16) return 14;
  return size <= 64 ? 9 : Math.max(5, Math.round(2 * unit));
}

/**
 * Returns the space for one enlarged plane, in which single cells can be hit.
 * @param {number[]} shape @param {number[] | null} reads @param {number} side  available pixels
 * @returns {Room}
 */
export function loupeRoom(shape, reads, side) {
  const inner = shape.length === 2 && reads ? reads : shape;
  const [rows, columns] = inner.length < 2 ? [1, 1] : inner.slice(-2);
  const unit = Math.min(LOUPE_MOST, Math.max(LOUPE_LEAST, Math.floor(side / Math.max(rows, columns))));
  const size = shape.length === 2 ? shape[1] : (shape[0] ?? 1);
  const cell = size <= 16 ? 32 : 24;
  return { wide: side, high: side, unit, cell, gap: 8 };
}
