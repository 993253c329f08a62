/** Reads lines of JSON from stdin, {tex, display}, and writes one line of JSON each to stdout: {mathml} or {error}. */
import { createInterface } from "node:readline";
import katex from "katex";

for await (const line of createInterface({ input: process.stdin })) {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    // strict: "ignore" permits characters such as σ and ∂ in equations
    const mathml = katex.renderToString(tex, { displayMode: display, output: "mathml", strict: "ignore" });
    answer = { mathml };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
