/** How large a cell of a map is, so that the river fits its place: one size for all maps, their true proportion. */

import { Planes } from "./planes.js";

/** @typedef {import("./block.js").Block} Block */
/** @typedef {import("./planes.js").Room} Room */

const UNITS = [4, 3.5, 3, 2.5, 2]; // pixels of a cell, largest first
const WIDE = 204; // pixels of a stage, where it has more maps than go under each other
const LOUPE_MOST = 40;
const LOUPE_LEAST = 12;

/**
 * Gives every block its room at the largest unit at which none has more pages than it must, and the track is not
 * wider than its place.
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

/** How many pages all blocks have: the fewer the better. @param {Block[]} blocks @param {number} unit */
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
 * Room in which single cells can be hit: one plane of the block fills it.
 * @param {number[]} shape @param {number[] | null} reads @param {number} side  pixels there are
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
