"""ONNX: import and export of networks.

An ONNX file contains a graph of nodes. Each node applies an operator, such as Conv, to values. Terms of this package:

feature      value that depends on the network's input; all other values are constants
batch axis   first axis of the network's input, and of most features in the file. The shapes of chainrule's layers do
             not contain it: they describe one sample
axis in the file   axis numbered as in ONNX, where the batch axis is axis 0. Axes of a sample are numbered without it
folding      computing the result of a node with constant inputs when the file is read
opset        version of the set of ONNX operators
reader       function that converts a node to layers
writer       function that converts an operation of a plan to nodes
"""
