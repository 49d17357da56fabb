"""One step, one loop, one state, and its checkpoints."""
