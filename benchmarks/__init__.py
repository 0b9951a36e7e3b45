"""Measurements, as ratios to plain Django in the same run. `make bench` runs them all."""
