"""The interactive page that explains every value of a training step, and its server.

Terms of this package:

frame      copy of a network's parameters, running statistics and optimizer moments after a number of completed steps,
           which is the step of the frame; frame 0 is the state before the first step
keyframe   stored frame, from which later frames are recomputed by training again
timeline   the stored frames of a run
subject    what the page shows: a run, an untrained network of the zoo, or a model file
walk       guided tour of the page, a sequence of stops

Imports: errors, _io, core, operations, engines, data, network, training, explain, models, runs, zoo.
"""
