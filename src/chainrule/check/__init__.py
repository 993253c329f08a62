"""The gradient checker: every derivative by numbers alone, and the classic mistakes by name.

import chainrule as cr

print(cr.check_gradients(MyConvolution, against="Conv2D(4, (3, 2), stride=2)"))
"""
