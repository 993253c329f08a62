"""Files and locks: bounded reading, atomic writing, strict JSON, custom Python files, the cache folder,
and optional packages.

Imports: errors.
"""
