import { make } from "../../elements.js";

/**
 * Where this is computed, floor by floor, and on which page it is derived.
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
  if (derivation) made.append(make("h3", {}, "Derived step by step"), make("p", {}, make("code", {}, derivation)));
  return made;
}
