"""Kernels of all operations in C, their declarations in Python, and the choice between them.

Terms of this package:

kernel     function that computes an operation. In "kernel gradient" and "3×3 kernel", the word has its usual meaning:
           the weights of a convolution
block      some consecutive samples of a batch. A kernel is called with the arrays of one block, or of the whole batch
chunk      part of a result that one thread computes: a range of rows, channels (or filters) or columns
vector     contents of a vector register; its elements are called lanes
tile       rows × columns of vectors of sums, which stay in registers while a loop runs (see `tiles`)
tap        position (u, v) within a filter, or (c, u, v) if channels are included
element    value of an image at one position; called a cell in the names of variables
phase      elements of an image whose indices have the same remainders modulo the stride (see `layout`)
panel      rows of a matrix, transposed ("packed") so that a tile reads them contiguously (see `transposing`)
strip      range of taps, outputs or positions whose data stay in a fast cache while they are used
epilogue   steps that a kernel applies to its sums before it writes them, such as an activation (see `epilogue`)
untied     a bias with one value per position of the result; a tied bias has one value per channel
winner     index of the maximum of a pooling window
upstream   gradient with respect to the result of an operation; the kernel of a gradient reads it
⋆          cross-correlation: y = w ⋆ x
"""
