/** Writes slides. Reads JSON from stdin: [{source, target}, …]. Each target is a self-contained file. */
import { readFileSync, writeFileSync } from "node:fs";
import { Marp } from "@marp-team/marp-core";
import katexPlugin from "@marp-team/marp-core/plugins/katex";

const STYLE = `
body { background: #14161a; margin: 0; }
.marpit > svg { display: none; height: 100vh; width: 100vw; }
.marpit > svg.shown { display: block; }
math { font-family: "STIX Two Math", "Latin Modern Math", "Cambria Math", "Libertinus Math", "DejaVu Math TeX Gyre", math; }
section { --color-accent-fg: #00695f; font-size: 30px; }
section.lead { text-align: center; }
@media print { .marpit > svg { display: block; } }
`;

/** Arrow keys, space, Page Up, Page Down, Home, End and clicks change the slide. Its number is in the URL. f: full screen. */
const PLAYER = `
const slides = [...document.querySelectorAll(".marpit > svg")];
const shown = () => Math.min(Math.max(Number(location.hash.slice(1)) || 1, 1), slides.length);
const show = () => slides.forEach((slide, k) => slide.classList.toggle("shown", k + 1 === shown()));
const go = (by) => { location.hash = Math.min(Math.max(shown() + by, 1), slides.length); };
addEventListener("hashchange", show);
addEventListener("keydown", ({ key }) => {
  if (["ArrowRight", "ArrowDown", "PageDown", " "].includes(key)) go(1);
  if (["ArrowLeft", "ArrowUp", "PageUp"].includes(key)) go(-1);
  if (key === "Home") go(-slides.length);
  if (key === "End") go(slides.length);
  if (key === "f") document.documentElement.requestFullscreen();
});
addEventListener("click", (event) => { if (!event.target.closest("a")) go(event.clientX < innerWidth / 3 ? -1 : 1); });
show();
`;

const escaped = (text) => text.replace(/[&<]/g, (letter) => (letter === "&" ? "&amp;" : "&lt;"));

for (const { source, target } of JSON.parse(readFileSync(0, "utf-8"))) {
  const marp = new Marp({
    emoji: { shortcode: false, unicode: false },
    html: false,
    script: false,
  }).use(katexPlugin({ options: { output: "mathml", strict: "ignore" }, fontPath: false }));
  const { html, css } = marp.render(readFileSync(source, "utf-8"));
  const own = css.replace(/@import[^;]+;/g, "").replace(/@font-face\s*{[^}]*}/g, "").replace(/@charset[^;]*;/g, "");
  const title = /^#+ (.*)$/m.exec(readFileSync(source, "utf-8"))?.[1] ?? "Slides";
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>${own}${STYLE}</style>
<main>
${html}
</main>
<script>${PLAYER}</script>
</html>
`;
  writeFileSync(target, page);
}
