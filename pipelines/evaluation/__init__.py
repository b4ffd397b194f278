"""A trained network's numbers, and what they are worth.

In: a network with its recipe, prepared data, the official truth. Out: an evaluation folder
(numbers, matches, predictions, pictures), intervals, kinds of error, ceilings. May import
host, recipe, pictures, intake, prediction. A change in measure, scoring or record evaluates every
recipe anew, in scoring trains it anew (validation picks the best epoch); in pictures nothing.
"""
