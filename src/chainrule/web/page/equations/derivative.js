import { element } from "./elements.js";

/**
 * Writes the gradient that an equation calls dx as the derivative of the loss, ∂L/∂(conv2.y), wherever it occurs.
 *
 * @param {ParentNode} equation  as `mathml` has made it
 * @param {string} name  of the gradient: dx
 * @param {string} tensor  of which the loss is derived: conv2.y
 */
export function writeDerivative(equation, name, tensor) {
  for (const symbol of equation.querySelectorAll(`[data-name="${name}"]`)) {
    const indexed = symbol.parentElement?.localName === "msub" && symbol === symbol.parentElement.firstElementChild;
    const whole = indexed ? /** @type {Element} */ (symbol.parentElement) : symbol;
    const below = element("mtext", [tensor]);
    const index = indexed ? whole.lastElementChild : null;
    const fraction = element("mfrac", [
      element("mrow", [element("mo", ["∂"]), element("mi", ["L"])]),
      element("mrow", [element("mo", ["∂"]), index ? element("msub", [below, index]) : below]),
    ]);
    fraction.setAttribute("data-name", name);
    whole.replaceWith(fraction);
  }
}
