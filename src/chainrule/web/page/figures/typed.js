/** What people type for a number, alone or in a block from a spreadsheet. */

/**
 * A number: 2, −0.5, 1e-3, 1/9, and with a decimal comma. null: it is none.
 * @param {string} text
 * @returns {number | null}
 */
export function numberOf(text) {
  const plain = text.trim().replace("−", "-").replace(",", ".");
  const [top, bottom, ...more] = plain.split("/");
  const [numerator, denominator] = [decimal(top), bottom === undefined ? 1 : decimal(bottom)];
  const value = numerator / denominator;
  return more.length === 0 && Number.isFinite(value) ? value : null;
}

/** @param {string} text */
const decimal = (text) => (/^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(text) ? Number(text) : NaN);

/**
 * The rows of a block: lines, with tabs, semicolons, commas or spaces between the numbers. A comma is a decimal comma
 * where something else separates, or where no line has two. An Error names what is no number.
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
      if (value === null) throw new Error(`“${text}” in what was pasted is no number`);
      return value;
    }),
  );
}

/**
 * An array's plane as lines of tab-separated numbers, for a spreadsheet.
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
