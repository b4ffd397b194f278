"""Parts of evaluators: people as arrays, who is found by whom, what is wrong with poses.

In: predicted and true poses. Out: matches that a bootstrap resamples, kinds of error; the referee's
own numbers. May import: ground. A change re-runs training (it chooses the best weights) and
evaluation of all recipes that are scored through the file; `errors` re-runs nothing.
"""
