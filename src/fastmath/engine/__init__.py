"""vLLM, live and in batches, and the quantised checkpoints that it runs; no other room imports vLLM.

It must not know questions, votes or contests, and it has to run without the training libraries.
"""
