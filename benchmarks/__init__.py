"""Benchmarks of this library and its peers, timed in turn in the same run.

subjects          networks to time, with recipes and synthetic images
peers/            our networks translated to PyTorch and ONNX
contenders/       a class per engine or peer and kind of work, each run in a separate process
worker            the program of these processes; `processes` starts them and communicates with them
rounds            timing of all contenders in turn, or of functions of one process
steps             rows of the tables: training steps and calls of predict
random_networks   random networks from a seed
speed_check       the working tree beside another commit; `speed_worker` is the program of both
accuracy          accuracies and processor times of default trainings, beside PyTorch and scikit-learn

Terms of this package:

ours, theirs      the time (or memory) of this library, and of a peer
peer              another library, or another engine or export of this library, to compare with
contender         our engine or a peer, set up for one task: a kind of work, a network and a batch size
subject           a network to time, with its recipe
round, turn       in every round, each contender has one turn and repeats its task for a tenth of a second
"""
