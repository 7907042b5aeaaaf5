"""Evaluation: metrics of stored samples, the models of a run, and the run's report.

This room must not load a model or know vLLM, trainers, the kernel or figures.
"""
