/** Keeps a drawing while the page is reloaded, until the tab is closed. */

/** @typedef {import("./types.js").Picture} Picture */

const KEY = "chainrule picture";

/** @param {Picture | null} picture */
export function keepPicture(picture) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(picture && { ...picture, x: [...picture.x] }));
  } catch {
    // browsers may refuse to store anything for local files
  }
}

/** Returns the kept picture; null if there is none of this size. @param {number} size @returns {Picture | null} */
export function keptPicture(size) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return kept?.x.length === size ? { ...kept, x: Uint8Array.from(kept.x) } : null;
  } catch {
    return null;
  }
}
