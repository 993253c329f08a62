// A page opened from disk must not read other pages, so search results cannot show the text around a match.
DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== "file:";
