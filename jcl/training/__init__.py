"""The train step, the loop, the state, and its checkpoints."""
