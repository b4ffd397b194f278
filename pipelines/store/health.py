"""What can be wrong with the store of params.yaml, S3's settings and DVC's remote."""

from __future__ import annotations

from itertools import islice

from pipelines.host.checkup import OK, WARNING, Check, Finding
from pipelines.host.dvc import DVC_ALONE, ask_dvc
from pipelines.recipe.params import load_params
from pipelines.recipe.storage import read_storage
from pipelines.store.checking import check_store
from pipelines.store.opening import open_store
from pipelines.store.settings import endpoint_told

SMALL = 4  # lines of `check_store` before it sends megabytes
ASKED = "limber-doctor"  # a name that is only asked for
CHECK = "python -m pipelines.storage check"


def storage() -> Finding:
    """Written, read and listed with a small file. Raises ValueError in words where that fails."""
    address = read_storage(load_params())
    if address is None:
        return Finding("storage", OK, "none: nodes see one disk (storage: of params.yaml)")
    lines = check_store(address)
    told = list(islice(lines, SMALL))
    lines.close()  # which removes what it wrote
    return Finding("storage", OK, f"{told[0]}: writes, reads, lists (`{CHECK}` tells how fast)")


def remote() -> Finding:
    """DVC's default one: is there any, and does it answer. Raises ValueError where it does not."""
    listed = ask_dvc(DVC_ALONE, "remote", "list") or ""
    rows = [line.split() for line in listed.splitlines() if line.split()]
    default = next((row for row in rows if row[-1] == "(default)"), rows[0] if rows else None)
    if default is None:
        said = "none: data and results are on this disk alone"
        return Finding("DVC remote", WARNING, said, "python -m pipelines.storage dvc s3://...")
    name, address = default[:2]
    if not address.startswith("s3://"):
        return Finding("DVC remote", OK, f"{name}: {address} (not asked)")
    open_store(address).read(ASKED)
    return Finding("DVC remote", OK, f"{name}: {address} at {endpoint_told()} answers")


CHECKS = (Check("storage", storage), Check("DVC remote", remote))
