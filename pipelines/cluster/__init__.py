"""Trainings on Ray: a local head, one TorchTrainer, jobs of a cluster that is there already.

In: a training's job, params.yaml's `cluster`, an address. Out: the outcome of its rank 0; a job's
log and exit code.
May import: training and what lies below it; the only room that knows ray.
A change in here re-runs: nothing; where ranks run does not change what they train.
"""
