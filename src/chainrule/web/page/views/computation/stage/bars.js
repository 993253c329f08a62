import { formatNumber } from "../../../explain/numbers.js";
import { named } from "../../../explain/naming.js";
import { createElement } from "../../../elements.js";
import { numberLink } from "../links.js";
import { staticStage } from "./stage.js";

/**
 * The probability and the target of each class.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 */

const MAX_CLASSES = 24;

/** @param {PanelContext} context @returns {Stage | null} null if there are no probabilities */
export function barStage(context) {
  const { trace, explanation } = context;
  const name = probabilities(context);
  const p = name ? trace.values.get(name) : undefined;
  const t = trace.values.get("t");
  if (!name || !p || !t || p.data.length > MAX_CLASSES) return null;
  const rows = Array.from(p.data, (value, k) => {
    const label = trace.description.classes[k] ?? String(k);
    const bar = createElement("span.computation-bar-room", { "--part": value }, createElement("span.computation-bar-length"));
    const row = createElement(
      "li",
      { class: t.data[k] ? "computation-target" : null },
      createElement("span", label),
      bar,
      numberLink(context, named(name, [k]), value),
      createElement("span", t.data[k] ? `target ${formatNumber(t.data[k])}` : ""),
    );
    row.classList.toggle("computation-now", explanation.cell === named(name, [k]));
    return row;
  });
  const caption = createElement("figcaption", "predicted probabilities and targets");
  return staticStage(createElement("figure.computation-factor.computation-place", caption, createElement("ol.computation-bars", ...rows)));
}

/** @param {PanelContext} context */
function probabilities({ trace, explanation }) {
  const { catalogue, plan } = trace.description;
  if (explanation.operation === "softmax") return explanation.tensor;
  return (catalogue.omitted[0]?.writes[0] ?? plan.output).storage;
}
