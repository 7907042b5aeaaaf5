"""One contest question at a time: samples drawn, votes counted, an answer given in time and written to the journal.

It must not know who asks (Kaggle or a test), and nothing of run folders.
"""
