"""Files and locks: bounded reading, its budget, atomic writing, strict JSON, custom Python files, the cache folder,
and optional packages.

Imports: errors.
"""
