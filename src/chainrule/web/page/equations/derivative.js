import { element } from "./elements.js";

/**
 * Replaces a gradient such as dx in an equation by the derivative of the loss, ∂L/∂(conv2.y).
 *
 * @param {ParentNode} equation  from `mathml`
 * @param {string} name  of the gradient: dx
 * @param {string} tensor  the tensor of the gradient: conv2.y
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
