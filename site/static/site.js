// A page opened from disk must not read other pages, so search results cannot show the text around a match.
DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== "file:";

// Of equally good results, the search lists methods of Sequential before those of the same name, and sections before pages.
function setPreferences() {
  if (typeof Scorer === "undefined") return; // not the page of the search
  Scorer.score = ([, title, , , score, , kind]) =>
    score + (kind === "title" || title.startsWith("chainrule.Sequential.") ? 1 : 0);
}
setPreferences();
document.addEventListener("DOMContentLoaded", setPreferences);
