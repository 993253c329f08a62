import { inLectureMode } from "../../lecture_mode.js";

/**
 * Handles the keys of the panel: ← → Home End, space, Esc.
 *
 * They work while the focus is in the panel or on no particular element; Esc works everywhere.
 *
 * @param {HTMLElement} element
 * @param {() => import("./panel.js").Panel | null} current
 * @param {() => void} close
 */
export function keysOf(element, current, close) {
  document.addEventListener("keydown", (event) => {
    const panel = current();
    if (!panel || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const nowhere = target === document.body || target.id === "main" || event.key === "Escape" || (inLectureMode() && /^Page/.test(event.key));
    if (!(nowhere || element.contains(target)) || document.querySelector("dialog[open]")) return;
    if (acted(event.key, target, panel.player, close)) event.preventDefault();
  });
}

/** @typedef {import("./player.js").Player} Player */

/** @param {string} key @param {Element} target @param {Player} player @param {() => void} close */
function acted(key, target, player, close) {
  if (inLectureMode() && player.count > 1 && key === "PageDown" && player.position !== player.count) return (player.forward(), true);
  if (inLectureMode() && player.count > 1 && key === "PageUp" && player.position) return (player.back(), true);
  if (key === "Escape") return (close(), true);
  if (player.count < 2 || target.matches("input, select, textarea")) return false;
  if (key === "ArrowRight") return (player.forward(), true);
  if (key === "ArrowLeft") return (player.back(), true);
  if (key === "Home") return (player.to(0), true);
  if (key === "End") return (player.to(player.count), true);
  if (key === " " && !target.matches("button, a, summary")) return (player.toggle(), true);
  return false;
}
