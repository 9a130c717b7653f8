"""How good the merge is, and what it costs: a labelled generator, its score, and the CPU time.

    python -m bench.merge [people]

`record` writes down what six sources say about one invented person and which statements are the same thing;
`problems`, `medicines`, `results` and `events` invent the person's history. They were written from the rules as
specified, not from the code that is measured. `quality` runs the merge and compares; `cost` takes the time.
"""
