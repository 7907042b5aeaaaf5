"""Answers: finding them in completions and comparing them with references, from data building to the contest.

The room uses four words:

- *extract*: find the answer in a completion (`extract_answer`, `extract_boxed`);
- *verify*: compare an answer with its reference (`verify`, `verify_exactly`, `Verifier`, `Verdict`);
- *agree*: two parsed expressions are equal but for notation (`agree`);
- *judge*: extract and verify a whole completion (`judge_completions`, `Judgement`).

The room must not know recipes, run folders, engines or trainers: the submitted kernel uses it without them.
"""
