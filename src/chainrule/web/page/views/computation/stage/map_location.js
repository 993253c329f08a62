import { ravel } from "../../../engine/tensor.js";
import { bounds } from "../../../explain/boxes.js";
import { named, parted } from "../../../explain/naming.js";
import { scaleOfTensor } from "../../../figures/cell_colors.js";
import { createElement } from "../../../elements.js";
import { Plane } from "./plane.js";
import { operandSide } from "./operand_size.js";

/**
 * The whole map that contains a patch, with a frame around the patch and a mark on the cell of the current term.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("../../../figures/term_layout.js").Layout} Layout
 */

const MAX_SIDE = 208; // pixels

/** Creates the map that contains some cells, with a frame around them; null if they are the whole map. @param {PanelContext} context
 * @param {string[]} names */
export function windowMap(context, names) {
  const cells = names.map(parted);
  const shape = context.trace.values.get(cells[0]?.tensor ?? "")?.shape ?? [];
  const [rows, columns] = shape.slice(-2);
  if (shape.length < 2 || rows * columns <= cells.length) return null;
  const before = cells[0].index.slice(0, -2);
  const plane = new Plane(
    rows,
    columns,
    "position of the window",
    context,
    (row, column) => named(cells[0].tensor, [...before, row, column]),
    Math.min(MAX_SIDE, operandSide()),
  );
  frameCells(plane, context, cells);
  return createElement("figure.computation-factor.computation-where", createElement("figcaption", mapName(cells[0])), plane.element);
}

/** @param {Plane} plane @param {PanelContext} context @param {import("../../../explain/naming.js").Cell[]} cells */
function frameCells(plane, context, cells) {
  const array = context.trace.values.get(cells[0].tensor);
  if (!array) return;
  const { from: [top, left], to: [bottom, right] } = bounds(cells.map(({ index }) => index.slice(-2)));
  const before = cells[0].index.slice(0, -2);
  plane.frame = { top, left, rows: bottom - top, columns: right - left };
  plane.fill(
    (row, column) => array.data[ravel([...before, row, column], array.shape)],
    scaleOfTensor(context.trace, cells[0].tensor),
  );
}

/** @param {import("../../../explain/naming.js").Cell} cell */
function mapName({ tensor, index }) {
  return `${tensor}[${[...index.slice(0, -2), "…"].join(",")}]`;
}

export class PatchMap {
  /** @param {PanelContext} context @param {Layout} layout */
  constructor(context, layout) {
    this.context = context;
    this.layout = layout;
    this.factor = layout.slides ? 1 : 0;
    this.page = -1;
    this.element = createElement("figure.computation-factor.computation-where");
    this.element.hidden = true;
    if (layout.kernel === "none" && !layout.slides) return;
    const cell = this.#cells(0)[0];
    const shape = cell ? (context.trace.values.get(cell.tensor)?.shape ?? []) : [];
    const [rows, columns] = shape.slice(-2);
    if (!cell || shape.length < 2 || rows * columns <= layout.rows * layout.columns) return;
    this.caption = createElement("figcaption");
    this.plane = new Plane(
      rows,
      columns,
      "position of the patch",
      context,
      (row, column) => named(cell.tensor, [...this.before, row, column]),
      Math.min(MAX_SIDE, operandSide()),
    );
    this.element.append(this.caption, this.plane.element);
    this.element.hidden = false;
  }

  /** @type {number[]} */
  before = [];

  /** @param {number} page @param {number} term −1: none */
  show(page, term) {
    const { plane } = this;
    if (!plane) return;
    if (page !== this.page) this.#turn(plane, page);
    const cell = this.context.explanation.terms[term]?.factors[this.factor]?.cell;
    const here = cell && this.layout.spots[term]?.page === page ? parted(cell).index.slice(-2) : [-1, -1];
    plane.mark(here[0], here[1]);
  }

  /** @param {Plane} plane @param {number} page */
  #turn(plane, page) {
    this.page = page;
    const cells = this.#cells(page);
    if (!cells.length) return;
    this.before = cells[0].index.slice(0, -2);
    frameCells(plane, this.context, cells);
    if (this.caption) this.caption.textContent = mapName(cells[0]);
  }

  /** @param {number} page */
  #cells(page) {
    return this.context.explanation.terms.flatMap((term, at) => {
      const cell = this.layout.spots[at]?.page === page ? term.factors[this.factor]?.cell : null;
      return cell ? [parted(cell)] : [];
    });
  }
}
