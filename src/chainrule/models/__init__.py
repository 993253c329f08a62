"""Networks (`Network`: layers, flat buffers and plans) and trainable models (`Sequential` and `Graph`).

The package also contains the format of model descriptions in files, and summaries. Terms:

plan         list of all operations of a model (`core.plan`)
buffer       one flat array with all parameters, or one with all running statistics
weights      parameters and running statistics by name, such as conv1.w
wiring       connections between layers (`layers.node.Wiring`)
description  dictionary that describes a model in a file, without weights (`Model.about`)

Imports: errors, _io, core, engines, plotting, layers, data, training, explain, interop.
"""

from chainrule.core.words import module_attributes

__getattr__ = module_attributes(__name__)
