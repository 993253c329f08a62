"""Networks and models: `Network` (layers, flat buffers, plans), and `Sequential` and `Graph`, which can be trained.

Saving, loading and summaries belong here too.

Imports: errors, _io, core, engines, plotting, layers, data, training, explain, interop.
"""
