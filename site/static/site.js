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

// Code and equations that scroll can be scrolled with the keyboard, the two drawers have names, and empty corners of tables
// are no headings.
document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll("pre, .highlight, .table-wrapper, div.math, math[display=block]")) {
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
  }
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "All pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
  for (const head of document.querySelectorAll("th")) {
    if (head.textContent.trim() === "") head.outerHTML = head.outerHTML.replace(/^<th/, "<td").replace(/th>$/, "td>");
  }
});
