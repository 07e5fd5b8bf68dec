"""Comparisons that print a table, with ratios measured in one run. Each is ``python -m benchmarks.NAME``."""
