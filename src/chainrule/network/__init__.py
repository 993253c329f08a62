"""Networks below training: layers with flat buffers and plans, and what plans depend on: losses and tasks.

plan         list of all operations of a network (`core.plan`)
buffer       one flat array with all parameters, or one with all running statistics
weights      parameters and running statistics by name, such as conv1.w
wiring       connections between layers (`layers.node.Wiring`)
task         what the outputs predict, inferred from the targets; determines the metric (`tasks`)

`network.py` shows the whole: it connects layers, owns the buffers, and compiles and runs the plans of `plans.py`.

Imports: errors, _io, core, custom, engines, layers, data.
"""
