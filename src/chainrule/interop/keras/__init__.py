"""Import of networks and weights from Keras files (.keras and .h5).

The configuration in a file describes layers and their calls. A layer that is called several times is shared. Each call
is translated to layers of chainrule.

Keras stores images with the channels last, chainrule with the channels first. A `KerasValue` therefore pairs a node of
the network with the shape in Keras and the order of the elements in Keras. Axes of a sample are numbered from 0,
without the batch axis.
"""
