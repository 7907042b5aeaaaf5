"""Decisions of the kernel as pure functions: how samples vote, how a contest's time is shared, when a vote is decided.

It imports nothing from the rest of the package and must not know engines, models, clocks or journals.
"""
