"""Files and locks: bounded reading, its budget, atomic writing, strict JSON, custom Python files, trust, the cache,
and optional packages.

Imports: errors.
"""
