"""The cost of a step: devices, memory, FLOPs and traffic, read from compiled programs."""
