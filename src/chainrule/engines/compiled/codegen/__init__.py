"""Code generation: write a rewritten plan as the source of a program that calls kernels. May import `passes`.

Terms of this package, besides those of `passes`:

segment            consecutive steps that are computed together; see `passes/segments.py`
run                consecutive segments of scope "sample", which a thread computes without waiting for other threads; or
                   a single segment of scope "batch"
chunk              samples of the batch that a thread takes through a run at a time; called a share in programs
block              samples of a chunk that are processed together, so that their arrays stay in the cache
stage              part of a sharded plan that the shards of a batch compute without exchanging sums
part               range of the parameters whose gradients are computed in the same way (`ParameterPart`). In programs,
                   `parts` is the number of iterations of a loop over the parameters; each iteration processes an equal
                   fraction of every part
workspace          array that stores intermediate results
deferred gradient  weight gradient of a large dense layer for one sample, which the optimizer's update computes row by
                   row, so that it need not be stored
"""
