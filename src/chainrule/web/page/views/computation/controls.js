import { button, createSvg, createElement } from "../../elements.js";

/**
 * The player's buttons, its speed and its position.
 *
 * @typedef {import("./player.js").Player} Player
 */

/** Longest duration of the animation in seconds. The speed slider is logarithmic, from here to 1 s. */
const MAX_SECONDS = 32;

/** @param {Player} player @param {import("./sequence.js").Sequence | null} sequence  of the terms, if their order can be chosen */
export function controlsOf(player, sequence) {
  const first = iconButton("M4 3v12M14 3L6 9l8 6z", "to the start (Home)", () => player.to(0));
  const back = iconButton("M12 3L5 9l7 6z", "previous step (←)", () => player.back());
  const play = button("", () => player.toggle(), { class: "computation-play" });
  const forward = iconButton("M6 3l7 6-7 6z", "next step (→)", () => player.forward());
  const last = iconButton("M14 3v12M4 3l8 6-8 6z", "to the end (End)", () => player.to(player.count));
  const where = createElement("output.computation-where-now");
  const { slider, setSeconds } = speed(player);
  const element = createElement(
    "div.computation-player",
    createElement("div.computation-keys", first, back, play, forward, last),
    slider,
    ...(sequence ? [orderOf(sequence, player)] : []),
    where,
  );
  element.hidden = player.count < 2;
  return {
    element,
    setSeconds,
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
  const element = button("", pressed, { class: "tool", "aria-label": label });
  element.title = label;
  element.append(
    createSvg("svg", { viewBox: "0 0 18 18", class: "computation-icon", "aria-hidden": "true" }, createSvg("path", { d: path })),
  );
  return element;
}

/** Creates the choice between the two orders. @param {import("./sequence.js").Sequence} sequence @param {Player} player */
function orderOf(sequence, player) {
  const keys = ["largest first", "in order"].map((name, at) =>
    button(name, () => {
      sequence.inOrder = at === 1;
      press();
      player.changed(player);
    }),
  );
  const press = () => keys.forEach((key, at) => key.setAttribute("aria-pressed", String((at === 1) === sequence.inOrder)));
  press();
  const element = createElement("div.switch.computation-order", { role: "group", "aria-label": "Order of the terms" }, ...keys);
  element.hidden = sequence.count < 3;
  return element;
}

/** @param {Player} player */
function speed(player) {
  const slider = createElement("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "speed" });
  const words = createElement("span.computation-rate");
  const setSeconds = (/** @type {number} */ seconds) => {
    player.seconds = seconds;
    words.textContent = `${Number(seconds.toPrecision(2))} s`;
    slider.setAttribute("aria-valuetext", words.textContent);
  };
  slider.addEventListener("input", () => setSeconds(MAX_SECONDS ** (1 - Number(slider.value))));
  const element = createElement(
    "label.computation-speed",
    createElement("span.computation-caption", "speed"),
    slider,
    words,
  );
  return {
    slider: element,
    setSeconds(/** @type {number} */ seconds) {
      slider.value = String(1 - Math.log(seconds) / Math.log(MAX_SECONDS));
      setSeconds(seconds);
    },
  };
}
