"""Pages, tables and pictures for people: comparison, difference, errors, cost.

In: results/ as train and evaluate leave it, recipes with what their papers print.
Out: text and pictures; commands put them into reports/ and results/RECIPE/analysis.
May import: every room but cluster; is imported by commands alone.
A change in here re-runs: compare; never a training or an evaluation.
"""
