/** Creation of HTML and SVG elements in one expression, and their texts. */

/**
 * @typedef {Record<string, string | number | boolean | null>} Attributes  attributes with the values false and null are
 *   omitted
 */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function createElement(tag, attributes = {}, ...children) {
  return replaceContent(document.createElement(tag), attributes, children);
}

/**
 * Creates a button.
 * @param {string} text
 * @param {() => void} act
 * @param {Attributes} [attributes]
 */
export function button(text, act, attributes = {}) {
  const element = createElement("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", act);
  return element;
}

/**
 * Creates an SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {(Node | string)[]} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function createSvg(tag, attributes = {}, ...children) {
  return replaceContent(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/**
 * Sets the text of an element if it differs; setting the same text would trigger a new layout of the page.
 * @param {Element | null | undefined} element @param {string} text
 */
export function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/**
 * @template {Element} E
 * @param {E} element @param {Attributes} attributes @param {(Node | string)[]} children
 * @returns {E}
 */
function replaceContent(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}
