"""Files and locks: bounded reading, atomic writing, strict JSON, and the cache folder.

Knows nothing about networks. May import `errors` only.
"""
