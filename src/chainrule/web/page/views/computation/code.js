import { createElement } from "../../elements.js";

/**
 * Lists the places in the code that compute the value, and the page of its derivation.
 *
 * @param {import("../../types.js").Explanation} explanation
 */
export function codeOf({ code, derivation }) {
  const element = createElement("div.computation-code-places");
  element.hidden = !code.length && !derivation;
  const list = createElement(
    "ul",
    {},
    ...code.map((place) =>
      createElement(
        "li",
        {},
        createElement("code", `${place.file}:${place.line}`),
        createElement("span.computation-function", place.function),
      ),
    ),
  );
  if (code.length) element.append(list);
  if (derivation) element.append(createElement("h3", "Derivation"), createElement("p", createElement("code", derivation)));
  return element;
}
