"""Packages for Kaggle: the notebook with its wheels, model and metadata, and a check that a package would run there.

This room must not decide how a question is answered, and no room but the command line may import it.
"""
