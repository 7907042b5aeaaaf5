"""The embedded problem source and the embedded model, with which every stage runs on a CPU without any download.

The room must not know data sets, run folders or trainers: it makes rows and a checkpoint from settings alone.
"""
