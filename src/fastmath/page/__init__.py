"""The page of runs: one HTML file that holds everything of them which is worth looking at, and needs nothing else.

This room must not compute results of its own, write into a run folder, or know vLLM and the contest's engine.
"""
