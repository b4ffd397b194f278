"""Networks that leave the house: exported programs, and the files of a registered model.

In: a trained network, its evaluation. Out: graph, card, the code that reads poses; ONNX. May import
host, recipe, intake, prediction, evaluation. A change re-runs promote, which registers what is new;
versions that are registered keep the code that travelled with them.
"""
