import { button, make } from "./dom.js";

/**
 * Buttons to step and play, the speed, and how far it is.
 *
 * @typedef {import("./player.js").Player} Player
 */

/** The slider runs over powers: from one a second to a thousand. */
const MOST = 1000;

/** @param {Player} player */
export function controlsOf(player) {
  const first = button("tool", "⏮", "to the start (Home)", () => player.to(0));
  const back = button("tool", "◀", "a step back (←)", () => player.back());
  const play = button("play", "", "", () => player.toggle());
  const forward = button("tool", "▶", "a step on (→)", () => player.forward());
  const last = button("tool", "⏭", "to the end (End)", () => player.to(player.count));
  const where = make("output", "where-now", "");
  const element = make("div", "player", make("div", "keys", first, back, play, forward, last), speed(player), where);
  element.hidden = player.count < 2;
  return {
    element,
    show() {
      play.textContent = player.playing ? "Stop" : "Play";
      play.setAttribute("aria-label", player.playing ? "stop (space)" : "play (space)");
      first.disabled = back.disabled = player.done === 0;
      forward.disabled = player.position === player.count;
      where.textContent = player.position === null ? `all ${player.count}` : `${player.done} of ${player.count}`;
    },
  };
}

/** @param {Player} player */
function speed(player) {
  const slider = make("input", "");
  slider.type = "range";
  slider.min = "0";
  slider.max = "1";
  slider.step = "0.01";
  slider.value = String(Math.log(player.rate) / Math.log(MOST));
  const words = make("span", "rate", `${player.rate} a second`);
  slider.addEventListener("input", () => {
    player.rate = Math.round(MOST ** Number(slider.value));
    words.textContent = `${player.rate} a second`;
    slider.setAttribute("aria-valuetext", words.textContent);
  });
  return make("label", "speed", make("span", "caption", "speed"), slider, words);
}
