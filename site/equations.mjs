/** Answers each line of JSON on stdin, {tex, display}, with a line of JSON on stdout: {mathml} or {error}. */
import { createInterface } from "node:readline";
import katex from "katex";

for await (const line of createInterface({ input: process.stdin })) {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    // strict: "ignore", since equations hold characters such as σ and ∂ as they are
    const mathml = katex.renderToString(tex, { displayMode: display, output: "mathml", strict: "ignore" });
    answer = { mathml };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
