"""Check gradients against numerical derivatives, name classic mistakes, and grade homework.

import chainrule as cr

print(cr.check_gradients(MyConvolution, against="Conv2D(4, (3, 2), stride=2)"))

Imports: errors, version, _io, core, operations, custom, engines, plotting, layers, training, explain, models.
"""
