/** Creation of HTML and SVG elements in one expression, and their texts. */

/**
 * @typedef {Record<string, string | number | boolean | null>} Attributes  attributes with the values false and null are
 *   omitted; custom properties such as --share become part of the style
 */

/**
 * The type of the element that a selector creates.
 * @template {string} S
 * @typedef {S extends `${infer K extends keyof HTMLElementTagNameMap}.${string}` ? HTMLElementTagNameMap[K]
 *   : S extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[S] : never} ElementOf
 */

/**
 * Creates an element from a selector of its tag and classes, such as "p.story-meta".
 * @template {string} S
 * @param {S} selector
 * @param {Attributes | Node | string} [first]  the attributes, or the first child
 * @param {(Node | string)[]} children
 * @returns {ElementOf<S>}
 */
export function createElement(selector, first = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  const isChild = typeof first === "string" || first instanceof Node;
  return /** @type {any} */ (replaceContent(element, isChild ? {} : first, isChild ? [first, ...children] : children));
}

/**
 * Creates a button.
 * @param {string} text
 * @param {() => void} act
 * @param {Attributes} [attributes]
 * @param {(Node | string)[]} children  what follows the text
 */
export function button(text, act, attributes = {}, ...children) {
  const element = createElement("button", { type: "button", ...attributes }, text, ...children);
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
 * @template {HTMLElement | SVGElement} E
 * @param {E} element @param {Attributes} attributes @param {(Node | string)[]} children
 * @returns {E}
 */
function replaceContent(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (name.startsWith("--")) element.style.setProperty(name, String(value));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}
