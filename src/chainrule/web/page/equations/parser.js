import { tokens } from "./tokens.js";

/**
 * Parser of the linear notation of equations.
 *
 * @typedef {{kind: "number", text: string} | {kind: "name", text: string} | {kind: "mark", text: string, form?: string}
 *   | {kind: "row", parts: Node[]} | {kind: "list", items: Node[]} | {kind: "space", words: boolean}
 *   | {kind: "group", open: string, close: string, inner: Node}
 *   | {kind: "fraction", over: Node, under: Node} | {kind: "root", inner: Node}
 *   | {kind: "raised", base: Node, above: Node} | {kind: "lowered", base: Node, below: Node}
 *   | {kind: "index", base: Node, index: Node}
 *   | {kind: "big", text: string, below: Node | null}} Node
 *
 * @typedef {import("./tokens.js").Token} Token
 */

const RELATIONS = new Set(["=", "≈", "≠", "≤", "≥", "<", ">", "←", "→", "↦", "∈", ":", "|"]);
const CLOSING = /** @type {Record<string, string>} */ ({ "(": ")", "[": "]", "{": "}", "⌊": "⌋", "⌈": "⌉" });

/**
 * @param {string} linear
 * @returns {Node}
 * @throws {SyntaxError} if the text is not valid notation
 */
export function parse(linear) {
  const reader = new Reader(tokens(linear));
  const whole = reader.list();
  if (reader.next) throw new SyntaxError(`unexpected "${reader.next.text}"`);
  return whole;
}

/** Indices written without commas, as in δ_kl; C_in is a word. */
const INDICES = /^[hijkluv]{2,3}$/u;

class Reader {
  /** @param {Token[]} all */
  constructor(all) {
    this.all = all;
    this.at = 0;
    this.inNorm = false;
  }

  /** @returns {Token | undefined} */
  get next() {
    return this.all[this.at];
  }

  take() {
    const token = this.all[this.at];
    if (!token) throw new SyntaxError("unexpected end of an equation");
    this.at += 1;
    return token;
  }

  /** @param {string} text */
  sees(text) {
    const token = this.next;
    return token !== undefined && token.text === text && token.kind !== "name" && token.kind !== "number";
  }

  /** @param {string} text */
  expect(text) {
    const token = this.take();
    if (token.text !== text) throw new SyntaxError(`expected "${text}", found "${token.text}"`);
  }

  /** Expressions separated by commas or semicolons. @returns {Node} */
  list() {
    const items = [this.relation()];
    while (this.sees(",") || this.sees(";")) {
      this.take();
      items.push(this.relation());
    }
    return items.length === 1 ? items[0] : { kind: "list", items };
  }

  /** a = b ≥ c @returns {Node} */
  relation() {
    const parts = [this.sum()];
    while (this.next?.kind === "mark" && RELATIONS.has(this.next.text)) {
      parts.push({ kind: "mark", text: this.take().text }, this.sum());
    }
    return row(parts);
  }

  /** a + b − c @returns {Node} */
  sum() {
    /** @type {Node[]} */
    const parts = [];
    if (this.sees("−") || this.sees("+") || this.sees("±")) {
      parts.push({ kind: "mark", text: this.take().text, form: "prefix" });
    }
    parts.push(this.product());
    while (this.sees("+") || this.sees("−") || this.sees("±")) {
      parts.push({ kind: "mark", text: this.take().text }, this.product());
    }
    return row(parts);
  }

  /** a · b c @returns {Node} */
  product() {
    const parts = [this.quotient()];
    for (;;) {
      if (this.next?.kind === "mark" && /^[·×∘∗*]$/u.test(this.next.text)) {
        parts.push({ kind: "mark", text: this.take().text });
        if (this.sees("−")) parts.push({ kind: "mark", text: this.take().text, form: "prefix" });
        parts.push(this.quotient());
      } else if (this.startsFactor()) {
        const spaced = this.next?.spaced ?? false;
        const right = this.quotient();
        if (spaced) parts.push({ kind: "space", words: isWord(parts[parts.length - 1]) || isWord(right) });
        parts.push(right);
      } else {
        return row(parts);
      }
    }
  }

  /** a / b / c: a fraction is a single factor of a product. @returns {Node} */
  quotient() {
    let node = this.factor();
    while (this.sees("/")) {
      this.take();
      const under = this.next?.kind === "big" ? this.product() : this.factor();
      node = { kind: "fraction", over: bare(node), under: bare(under) };
    }
    return node;
  }

  startsFactor() {
    const token = this.next;
    if (!token) return false;
    if (token.kind === "mark") return /^[√∂∇…%]$/u.test(token.text) || (token.text === "‖" && !this.inNorm);
    return token.kind === "number" || token.kind === "name" || token.kind === "big" || token.kind === "open";
  }

  /** @returns {Node} */
  factor() {
    const token = this.take();
    if (token.kind === "number") return this.after({ kind: "number", text: token.text });
    if (token.kind === "name") return this.after({ kind: "name", text: token.text });
    if (token.kind === "big") return this.big(token.text);
    if (token.kind === "open") return this.after(this.group(token.text));
    if (token.text === "‖") return this.after(this.norm());
    if (token.text === "√") return this.after({ kind: "root", inner: bare(this.factor()) });
    if (token.text === "∂" || token.text === "∇") {
      return row([{ kind: "mark", text: token.text, form: "prefix" }, this.factor()]);
    }
    if (token.text === "…" || token.text === "%") return { kind: "mark", text: token.text };
    if (token.text === "−") return row([{ kind: "mark", text: "−", form: "prefix" }, this.factor()]);
    throw new SyntaxError(`expected a number or a name, found "${token.text}"`);
  }

  /** @param {string} text @returns {Node} */
  big(text) {
    const below = this.sees("_") ? this.script() : null;
    return { kind: "big", text, below };
  }

  /** @param {string} open @returns {Node} */
  group(open) {
    const close = CLOSING[open];
    const inner = this.list();
    this.expect(close);
    return { kind: "group", open, close, inner };
  }

  /** ‖g‖ @returns {Node} */
  norm() {
    this.inNorm = true;
    const inner = this.sum();
    this.inNorm = false;
    this.expect("‖");
    return { kind: "group", open: "‖", close: "‖", inner };
  }

  /** Parses what follows a name or a group: indices, powers, primes. @param {Node} node @returns {Node} */
  after(node) {
    for (;;) {
      const token = this.next;
      if (!token) return node;
      if (token.kind === "open" && token.text === "[" && !token.spaced && node.kind !== "number") {
        this.take();
        const index = this.list();
        this.expect("]");
        node = { kind: "index", base: node, index };
      } else if (token.kind === "raised") {
        node = { kind: "raised", base: node, above: short(this.take().text) };
      } else if (token.kind === "lowered") {
        node = { kind: "lowered", base: node, below: short(this.take().text) };
      } else if (token.kind === "prime") {
        node = { kind: "raised", base: node, above: { kind: "mark", text: this.take().text } };
      } else if (this.sees("^")) {
        node = { kind: "raised", base: node, above: this.script() };
      } else if (this.sees("_")) {
        node = { kind: "lowered", base: node, below: this.script() };
      } else {
        return node;
      }
    }
  }

  /** Parses what follows ^ or _: one factor, or several in braces. @returns {Node} */
  script() {
    this.take();
    if (this.sees("{") || this.sees("(")) {
      const group = this.group(this.take().text);
      return group.kind === "group" ? group.inner : group;
    }
    const sign = this.sees("−") ? this.take() : null;
    const token = this.take();
    if (token.kind !== "number" && token.kind !== "name") throw new SyntaxError(`"${token.text}" cannot be an index`);
    /** @type {Node} */
    const node = INDICES.test(token.text) ? letters(token.text) : { kind: token.kind, text: token.text };
    return sign ? row([{ kind: "mark", text: "−", form: "prefix" }, node]) : node;
  }
}

/** @param {Node[]} parts @returns {Node} */
function row(parts) {
  return parts.length === 1 ? parts[0] : { kind: "row", parts };
}

/** @param {string} text @returns {Node} */
function letters(text) {
  return row([...text].map((letter) => ({ kind: "name", text: letter })));
}

/** Removes parentheses that a fraction bar or a root makes unnecessary. @param {Node} node @returns {Node} */
function bare(node) {
  return node.kind === "group" && node.open === "(" ? node.inner : node;
}

/** Converts superscript or subscript characters, as in x², e⁻ˣ, β₁ᵗ. @param {string} text @returns {Node} */
function short(text) {
  const sign = /^[−+]/u.exec(text)?.[0];
  const rest = sign ? text.slice(1) : text;
  /** @type {Node} */
  const node = /^\d+$/u.test(rest) ? { kind: "number", text: rest } : { kind: "name", text: rest };
  return sign ? row([{ kind: "mark", text: sign, form: "prefix" }, node]) : node;
}

/** @param {Node} node */
function isWord(node) {
  return node.kind === "name" && /^[a-z]{2,}$/u.test(node.text) && !/^d[a-z]$/u.test(node.text);
}
