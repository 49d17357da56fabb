"""What is measured of a trained network: features, heads, fine-tuning, results."""
