"""What a training tells, to MLflow: an outbox on disk first, then runs, checkpoints, models' files.

In: a training's epochs, pictures, checkpoints, and files to register; params.yaml's `tracking`.
Out: `outbox.jsonl` in the run folder, runs and logged models in MLflow. Commands: send, ui.
May import: host, recipe, store; the only room that knows mlflow (serving/pose_model.py travels).
A change in here re-runs: promote, and compare, which asks for the champions; no training.
"""
