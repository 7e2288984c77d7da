"""What a check costs, as ratios of things measured in the same run: `python -m benchmarks`. `python -m benchmarks.steps` profiles."""
