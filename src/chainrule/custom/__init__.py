"""Common interface to layers and losses written by users, who are called learners here.

A layer is a class or an object with the methods `forward` and `backward`, or a pair of functions with these names.

x, y         input and output of a layer
dy, dx       gradients of the loss with respect to y (argument of `backward`) and x (its result)
p, t, dp     predictions and targets of a loss, both (N, K), and the gradient of the mean loss with respect to p
parameter    array of a layer that training changes, such as w; the gradient of w is usually called dw
option       argument of a function that is neither x nor a parameter, such as a stride

The code may run in the current process or in another one (`check.guest`). This package does not contain the expected
results, so that a learner's code cannot read them.

Imports: errors, _io, core.
"""
