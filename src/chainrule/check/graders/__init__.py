"""Grades as grading services read them: points by part, files of results, and autograders ready to upload."""
