"""Data building: from the sources of a recipe to its training, held-out and calibration sets, with all rejected rows.

The room must not know how models are trained, sampled or served.
"""
