import { button, createSvg, createElement } from "../../elements.js";

/**
 * The player's buttons, its speed and its position.
 *
 * @typedef {import("./player.js").Player} Player
 */

/** The slider is logarithmic: from 1 to MOST per second. */
const MOST = 1000;

/** @param {Player} player */
export function controlsOf(player) {
  const first = iconButton("M4 3v12M14 3L6 9l8 6z", "to the start (Home)", () => player.to(0));
  const back = iconButton("M12 3L5 9l7 6z", "previous step (←)", () => player.back());
  const play = button("", () => player.toggle(), { class: "made-play" });
  const forward = iconButton("M6 3l7 6-7 6z", "next step (→)", () => player.forward());
  const last = iconButton("M14 3v12M4 3l8 6-8 6z", "to the end (End)", () => player.to(player.count));
  const where = createElement("output", { class: "made-where-now" }, "");
  const { slider, setRate } = speed(player);
  const element = createElement(
    "div",
    { class: "made-player" },
    createElement("div", { class: "made-keys" }, first, back, play, forward, last),
    slider,
    where,
  );
  element.hidden = player.count < 2;
  return {
    element,
    setRate,
    show() {
      play.textContent = player.playing ? "Pause" : "Play";
      play.setAttribute("aria-label", player.playing ? "pause (space)" : "play (space)");
      first.disabled = back.disabled = player.done === 0;
      forward.disabled = player.position === player.count;
      where.textContent = player.position === null ? `all ${player.count}` : `${player.done} of ${player.count}`;
    },
  };
}

/** @param {string} path @param {string} label @param {() => void} pressed */
function iconButton(path, label, pressed) {
  const made = button("", pressed, { class: "tool", "aria-label": label });
  made.title = label;
  made.append(
    createSvg("svg", { viewBox: "0 0 18 18", class: "made-icon", "aria-hidden": "true" }, createSvg("path", { d: path })),
  );
  return made;
}

/** @param {Player} player */
function speed(player) {
  const slider = createElement("input");
  slider.type = "range";
  slider.min = "0";
  slider.max = "1";
  slider.step = "0.01";
  slider.setAttribute("aria-label", "speed");
  const words = createElement("span", { class: "made-rate" }, "");
  const setRate = (/** @type {number} */ rate) => {
    player.rate = rate;
    words.textContent = `${rate} per second`;
    slider.setAttribute("aria-valuetext", words.textContent);
  };
  slider.addEventListener("input", () => setRate(Math.round(MOST ** Number(slider.value))));
  const element = createElement(
    "label",
    { class: "made-speed" },
    createElement("span", { class: "made-caption" }, "speed"),
    slider,
    words,
  );
  return {
    slider: element,
    setRate(/** @type {number} */ rate) {
      slider.value = String(Math.log(rate) / Math.log(MOST));
      setRate(rate);
    },
  };
}
