"""Benchmarks: perfkit beside what people use today, as ratios within one run. See README.md."""
