"""What travels for one training where machines have no common disk, by a store.

In: a training's job, its run folder. Out: tables, images and weights in a node's cache;
checkpoints, outbox and results in the store, and back in the checkout.
May import: training and what lies below it.
A change in here re-runs: nothing; how files travel changes none of them.
"""
