"""Whole contests: who asks the questions, our gateway or Kaggle's, and how a kernel answers them in one process or two.

This room must not know trainers, figures or the command line, because it runs on Kaggle without them.
"""
