import { make } from "../../elements.js";

/**
 * Lists where the value is computed in the code, and the page of its derivation.
 *
 * @param {import("../../types.js").Explanation} explanation
 */
export function codeOf({ code, derivation }) {
  const made = make("div", { class: "made-code-places" });
  made.hidden = !code.length && !derivation;
  if (code.length) made.append(make("h3", {}, "In the code"));
  const list = make(
    "ul",
    {},
    ...code.map((place) =>
      make(
        "li",
        {},
        make("code", {}, `${place.file}:${place.line}`),
        make("span", { class: "made-function" }, place.function),
      ),
    ),
  );
  if (code.length) made.append(list);
  if (derivation) made.append(make("h3", {}, "Derivation"), make("p", {}, make("code", {}, derivation)));
  return made;
}
