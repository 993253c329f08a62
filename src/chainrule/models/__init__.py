"""Networks and models: `Network` (layers, flat buffers, plans), and `Sequential` and `Graph`, which can be trained.

Saving, loading and summaries belong here too. May import everything below: layers, engines, training, explain, interop.
"""
