"""Plays the product's own steps by chance, in one thread against a virtual clock, and judges what became of everybody.

`machine` is the computer: processes that are switched at the edges of transactions and calls, and die there; `vendors`
is the network and who answers at its end; `scenario` draws what happens from a seed; `world` puts the product on the
machine; `invariants` judges; `shrinking` looks for the shortest story of a failure; `mutants` plants faults, to prove
that they are found. ``python -m tests.simulator --help`` says how to run it.
"""
