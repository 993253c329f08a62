"""Measured cost of training steps in shards, and a cost model that predicts when several machines are faster."""
