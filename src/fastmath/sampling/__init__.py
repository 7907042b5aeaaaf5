"""Sampling of many problems in a process of its own, for evaluation, and the judged table of samples that it writes.

This room must not know trainers, the contest or its clock; it reaches vLLM through `fastmath.engine` alone.
"""
