"""The roof, which joins data and models: a file here is a command, every folder a room.

In: recipes/, params.yaml, raw data. Out: data/store, runs, results, reports, versions in MLflow.
May import: data, models; a room only the rooms below it (`FLOORS` in tests/house/arrows.py); a
command never another command.
A change in a command re-runs nothing but compare and promote; see each room for the others.
"""
