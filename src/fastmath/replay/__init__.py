"""Replays: the kernel's own solver on recorded samples and a virtual clock, to compare policies without a model.

This room must not know vLLM, Kaggle or a contest's gateway.
"""
