/**
 * Computes the size of a cell so that the network diagram fits its container. The cells of all maps have the same size.
 */

import { inLectureMode } from "../../lecture_mode.js";
import { Planes } from "./planes.js";

/** @typedef {import("./block.js").Block} Block */
/** @typedef {import("./planes.js").Room} Room */

const UNITS = [10, 8, 7, 6, 5, 4, 3.5, 3, 2.5, 2]; // pixels per cell, largest first
const USUAL = 4; // pixels per cell; with larger cells, stages grow in proportion
const MIN_WEIGHT = 8; // pixels per weight of a kernel
const PHONE = 699; // pixels; up to this width, stages are below each other
const WIDE = 204; // pixels; width of a stage whose maps do not fit below each other
const MARGIN = 140; // pixels next to the maps on a phone

/**
 * Fits every block with the largest cell size that minimizes the number of pages and keeps the track within its
 * container.
 * @param {HTMLElement} place @param {Block[]} blocks
 */
export function fitDiagram(place, blocks) {
  const density = globalThis.devicePixelRatio || 1;
  const most = innerWidth <= PHONE ? 3 : Infinity;
  const units = UNITS.filter((unit) => unit <= most && Number.isInteger(unit * density));
  const pages = Math.min(...units.map((unit) => pagesAt(blocks, unit)));
  for (const unit of units.filter((candidate) => pagesAt(blocks, candidate) === pages)) {
    for (const block of blocks) block.fit(roomOf(block, unit));
    if (innerWidth <= PHONE || place.scrollWidth <= place.clientWidth) return;
  }
}

/**
 * Returns the total number of pages of the maps if cells have `unit` pixels.
 * @param {Block[]} blocks @param {number} unit
 */
function pagesAt(blocks, unit) {
  const pages = (/** @type {Block} */ { shape, spec }, /** @type {Room} */ room) =>
    new Planes(shape ?? [], room, spec.role).pages;
  const maps = blocks.filter(({ spec }) => spec.role === "maps");
  return maps.reduce((sum, block) => sum + pages(block, roomOf(block, unit)), 0);
}

/** @param {Block} block @param {number} unit @returns {Room} */
function roomOf(block, unit) {
  const shape = block.shape ?? [];
  const larger = Math.max(1, unit / USUAL);
  const wide = innerWidth <= PHONE ? innerWidth - MARGIN : WIDE * larger;
  if (block.spec.role === "maps") {
    const usual = Math.min(336, Math.max(232, innerHeight * 0.34));
    const high = inLectureMode() ? innerHeight * 0.55 : unit > USUAL ? innerHeight * 0.42 : usual;
    const cell = Math.round(larger * mapCell(shape[0] ?? 1, unit));
    return { wide, high, unit, cell: inLectureMode() && shape[0] <= 16 ? Math.max(24, cell) : cell, gap: 4 };
  }
  const isBias = shape.length === 1;
  const isRow = isBias && shape[0] <= 16;
  if (shape.length > 2) return { wide: 0.5 * wide, high: Math.max(216, innerHeight * 0.24), unit: Math.max(MIN_WEIGHT, 2 * unit), cell: 5, gap: 3 };
  const high = isBias ? 52 : 84;
  const isZero = isBias && block.data.every((value) => value === 0);
  return { wide, high: larger * high, unit, cell: isZero ? 3 : larger * (isRow ? (shape[0] > 8 ? 7 : 9) : 5), gap: unit < 3 ? 2 : 3 };
}

/** @param {number} size @param {number} unit */
function mapCell(size, unit) {
  if (size <= 16) return 14;
  return size <= 64 ? 9 : Math.max(5, Math.round(2 * unit));
}
