"""What a recipe will cost before it runs: memory, time and disk, from the shapes of its models.

The room computes; it loads no model and touches no GPU.
"""
