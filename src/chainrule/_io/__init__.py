"""Files and locks: bounded reading, atomic writing, strict JSON, custom Python files, and the cache folder.

Imports: errors.
"""
