"""What a training step in shards costs, measured here, and on how many machines it pays, by a model of the cost."""
