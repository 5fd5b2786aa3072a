"""Fixed-time plans with the least delay: stage sequences, splits, cycle and offsets."""
