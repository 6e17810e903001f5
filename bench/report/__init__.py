"""Writes docs/benchmarks.md and its plots from bench/results, and nothing from anywhere else."""
