"""What a step costs: devices, memory, FLOPs, traffic, read from programs."""
