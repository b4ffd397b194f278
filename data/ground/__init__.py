"""Ground floor of the data wing: the shapes that travel, skeletons, contracts, words of refusals.

In: skeletons/NAME.yaml. Out: `Sample`, `Pose`, batches; `Skeleton`; `Codec`, `DataSet`,
`Evaluator`; `refusal`. May import: nothing of ours outside; `codec`, `data_set` and `evaluator`
import `sample` and `skeleton`. A change re-runs prepare, training and evaluation of whatever uses
the file: all recipes for `sample` and `skeleton`, nothing for `refusal`.
"""
