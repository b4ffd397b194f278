"""What anybody may send to a served model: bodies of requests with a value or bytes changed."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from pipelines.serving.model_input import read_row, rows_of
from pipelines.serving.pose_model import InputError
from tests.chaos.broken_files import picture
from tests.chaos.fault import Fault, Outcome
from tests.chaos.limits import limited
from tests.chaos.mutants import HOLDS
from tests.chaos.mutators import HUGE, broken_bytes, broken_tree, promising


class NoSchema:
    def get_params_schema(self) -> None: ...


class Played:
    """Reads as the registered model does, without its network."""

    metadata = NoSchema()

    def predict(self, given: Any) -> list[int]:
        try:
            rows = [read_row(row, f"image {n}") for n, row in enumerate(rows_of(given))]
        except ValueError as error:
            raise InputError(str(error)) from error
        for image, boxes in rows:
            assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
            assert boxes is None or (np.isfinite(boxes).all() and len(boxes) <= 1000)
            assert boxes is None or np.abs(boxes).max(initial=0) <= 1e6
        return [len(rows)]


def body(draw: random.Random) -> bytes:
    content = picture(draw.choice(("jpg", "png")))
    if draw.random() < 0.3:
        content = draw.choice((broken_bytes, promising))(draw, content)
    boxes = [[1.0, 2.0, 30.0, 40.0]] * draw.choice((1, 1, 2, 2, 3000))
    if draw.random() < 0.3:
        boxes = [*boxes[:2], [draw.choice((*HUGE[:-1], 1.0, -1.0)) for _ in range(4)]]
    rows = [{"image": base64.b64encode(content).decode(), "boxes": boxes}]
    columns = list(rows[0])
    form: Any = draw.choice((
        {"inputs": rows}, {"instances": rows}, {"dataframe_records": rows}, rows, rows[0],
        {"dataframe_split": {"columns": columns, "data": [list(each.values()) for each in rows]}},
    ))  # fmt: skip
    if draw.random() < 0.4 and isinstance(form, dict):
        form, _, _ = broken_tree(draw, form)
    sent = json.dumps(form).encode()
    return broken_bytes(draw, sent) if draw.random() < 0.3 else sent


def broken_body(draw: random.Random, folder: Path) -> Outcome:
    sent = body(draw)
    kind = draw.choice(("application/json",) * 8 + ("text/csv", "a/b", "application/json; x=1"))

    def ask() -> None:
        try:
            answer = scoring_server.invocations(sent, kind, Played(), None)
        except MlflowException as error:
            assert error.get_http_status_code() < 500, "the server's own fault"
            if isinstance(error, InputError):
                raise
            said = str(error)  # MLflow's, before the model is asked
            assert "unexpected error while evaluating the model" not in said, "a traceback"
            raise ValueError(f"input: {said[:300]}") from error
        assert answer.status == 200 or answer.status == 415
        if answer.status != 200:
            raise ValueError(f"input: {answer.response[:300]}")

    return limited(ask, ("image", "input", "given", "boxes"))


FAULTS = [
    Fault("mutant-body", "requests to a model with a value or bytes changed", HOLDS, broken_body,
          1200, 40),
]  # fmt: skip
