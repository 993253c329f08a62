// A page opened from disk must not read other pages, so search results cannot show the text around a match.
DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== "file:";

// Of objects with the same name, such as fit, the search lists those of Sequential first.
function preferSequential() {
  if (typeof Scorer === "undefined") return; // not the page of the search
  Scorer.score = ([, title, , , score]) => score + (title.startsWith("chainrule.Sequential.") ? 1 : 0);
}
preferSequential();
document.addEventListener("DOMContentLoaded", preferSequential);
