"""The two training stages, SFT and GRPO, on TRL's trainers: launch, rewards, callbacks and checkpoints.

This room does not import vLLM, which it reaches through TRL only, and knows nothing of the kernel or the contest.
"""
