"""Files and locks: bounded reading, atomic writing, strict JSON, running a user's Python file, and the cache folder.

Knows nothing about networks.

Imports: errors.
"""
