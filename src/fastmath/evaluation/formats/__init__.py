"""Files of samples: those of other evaluation tools, recorded votes, and ours."""
