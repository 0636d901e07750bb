"""The parts of the torture test: who changes the upstream, who breaks what, who watches, and the verdict.

Whatever is decided is drawn from the seed, by each actor from a generator of its own. What comes first when
two do something at once is not: the same seed makes a failure likely, not certain.
"""
