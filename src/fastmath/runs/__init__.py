"""Run folders: the chain of stages, their manifests and locks, child processes, and files that are written whole.

This room does not know what a stage computes: it imports no trainer, no engine and nothing about answers or votes.
"""
