/** Parsing of typed numbers, single or as a block from a spreadsheet. */

/**
 * Parses a number: 2, −0.5, 1e-3, 1/9, also with a decimal comma. Returns null when the text is not a number.
 * @param {string} text
 * @returns {number | null}
 */
export function numberOf(text) {
  const plain = text.trim().replaceAll("−", "-").replace(",", ".");
  const [top, bottom, ...more] = plain.split("/");
  const [numerator, denominator] = [decimal(top), bottom === undefined ? 1 : decimal(bottom)];
  const value = numerator / denominator;
  return more.length === 0 && Number.isFinite(value) ? value : null;
}

/** @param {string} text */
const decimal = (text) => (/^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(text) ? Number(text) : NaN);

/**
 * Parses the rows of a block: lines with tabs, semicolons, commas or spaces between the numbers. A comma is a decimal
 * comma if there is another separator, or if no line has two commas. Throws an error that quotes a text that is not a number.
 * @param {string} block
 * @returns {number[][]}
 */
export function blockOf(block) {
  const lines = block
    .replace(/\r/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "");
  const commas = !/[\t;]/.test(block) && lines.some((line) => /,.*,|, /.test(line));
  const separator = commas ? /\s*,\s*/ : /\t|;|\s+/;
  const rows = lines.map((line) =>
    line
      .trim()
      .split(separator)
      .map((text) => text.trim()),
  );
  return rows.map((row) =>
    row.map((text) => {
      const value = text === "" ? 0 : numberOf(text);
      if (value === null) throw new Error(`“${text}” in the pasted text is not a number`);
      return value;
    }),
  );
}

/**
 * Formats a plane of an array as lines of tab-separated numbers, for a spreadsheet.
 * @param {ArrayLike<number>} values
 * @param {number} columns
 */
export function asBlock(values, columns) {
  const lines = [];
  for (let k = 0; k < values.length; k += columns)
    lines.push(
      Array.from(values)
        .slice(k, k + columns)
        .join("\t"),
    );
  return lines.join("\n");
}
