"""Measured against peers and limits, as ratios in one run: `python -m benchmarks.NAME [--quick] [--json]`. See README.md."""
