"""Check gradients against numerical derivatives, name classic mistakes, and grade homework.

import chainrule as cr

print(cr.check_gradients(MyConvolution, against="Conv2D(4, (3, 2), stride=2)"))

Terms of this package:

function        what is checked: a layer or loss of this library or a learner, as a function of named tensors
learner         the author of code outside this library, which is called a learner's layer or a learner's loss
tensors         the input (x, or p for a loss) and the parameters; every tensor has a gradient, such as dx or dw
y, dy           the output, and the upstream gradient
intended layer  the layer of this library that a learner's layer should implement; None if it is unknown
reference       source of the correct results: the intended layer or loss, computed by the reference engine
test case       values of all tensors and a random dy, for one check of a function
claimed         the gradients that a function's own backward computes, by tensor
unwritten       a function whose body is empty or raises NotImplementedError
check result    the verdict on y, or on the gradient with respect to one tensor
interface       how a learner's code is called: names of functions, methods and arguments, and layouts of arrays
diagnosis       a classic mistake that reproduces a wrong result
kink            a point where the slope of a function jumps, such as 0 for ReLU

Imports: errors, _io, core, operations, custom, engines, layers, network, training, explain.
"""
