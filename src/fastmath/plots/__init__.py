"""From metrics, reports, samples and journals to figures that are printed or explored, to tables and HTML.

This room must not compute results of its own or know vLLM, trainers and the contest's engine.
"""
