// A page opened from disk may not read other pages, from which the search takes the text around its results.
DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== "file:";
