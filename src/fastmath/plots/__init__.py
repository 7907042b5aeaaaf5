"""Figures: from metrics, reports, samples and journals to matplotlib figures, tables and HTML for the notebooks.

This room must not compute results of its own or know vLLM, trainers and the contest's engine.
"""
