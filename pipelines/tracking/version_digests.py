"""The files of a registered version, held against the sha256 of each that its tag keeps.

What is loaded of a version is run as code, or decides poses: a flipped bit, or a file that somebody
laid beside, must not pass for what was evaluated. Files may be changed by whoever reaches the
artifacts; the tag stands in MLflow's database.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from data.ground.refusal import masked, refusal
from pipelines.host.folders import file_digest

FILES_TAG = "limber.sha256"  # of a version: {file: sha256} as json
WRITTEN_LATER = ("export/", "registered_model_meta")  # by `export`; by MLflow where it downloads
REPAIR = "run `python -m pipelines.promote --verify`, which registers it anew or goes back"


def digests_below(folder: Path) -> dict[str, str]:
    """{file from the folder: sha256}, but for what is written later and caches, which whoever
    loads the model removes."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and "__pycache__" not in p.parts]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {n: file_digest(path) for n, path in names.items() if not n.startswith(WRITTEN_LATER)}


def tag_of_model(uri: str, model_uri: str, given: Mapping[str, str]) -> str:
    """The tag's text, of files as the store gives them back; model_uri: of a logged model.

    given: {file: sha256} of what it was given. Raises ValueError where that comes back otherwise.
    """
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        got = mlflow.artifacts.download_artifacts(
            artifact_uri=model_uri, dst_path=folder, tracking_uri=uri, registry_uri=uri
        )
        found = digests_below(Path(got))
    if wrong := sorted(file for file, digest in given.items() if found.get(file) != digest):
        fault = f"{wrong[0]} does not come back as it was stored ({len(wrong)} such files)"
        raise refusal(model_uri, fault=fault, do="look at that store, then run the same again")
    return json.dumps(found, sort_keys=True)


def check_files(tags: Mapping[str, str], name: str, got: Path, part: str) -> None:
    """Raises ValueError that names what of a version is not what was registered.

    tags: of the version; name: of it, for people; got: a file, or a folder; part: what of the
    version that is, "" for all.
    """
    if FILES_TAG not in tags:
        _say_unchecked(name)
        return
    told = _told(tags[FILES_TAG], name)
    if got.is_file():
        found, wanted = {part: file_digest(got)}, {part: told.get(part, "")}
    else:
        below = f"{part.rstrip('/')}/" if part else ""
        found = {f"{below}{file}": digest for file, digest in digests_below(got).items()}
        wanted = {file: digest for file, digest in told.items() if file.startswith(below)}
        found = {n: d for n, d in found.items() if not n.startswith(WRITTEN_LATER)}
    if wrong := sorted(n for n in found.keys() | wanted.keys() if found.get(n) != wanted.get(n)):
        file = wrong[0]
        what = "was added" if file not in wanted else "is gone" if file not in found else "differs"
        more = f", and {len(wrong) - 1} more" if wrong[1:] else ""
        fault = f"{file} {what}{more}: not the files that were registered"
        raise refusal(name, fault=fault, do=REPAIR)


def _told(tag: str, name: str) -> dict[str, str]:
    """{file: sha256}. Raises ValueError where the tag is not that."""
    with suppress(ValueError):
        told = json.loads(tag)
        if isinstance(told, dict) and all(isinstance(each, str) for each in told.values()):
            return told
    raise refusal(name, fault=f"its tag {FILES_TAG} is damaged: no digests of its files", do=REPAIR)


def no_digests(name: str) -> ValueError:
    """The refusal to vouch for a version without the tag."""
    fault = f"no tag {FILES_TAG}: nothing tells whether its files are those that were evaluated"
    return refusal(name, fault=fault, do=REPAIR)


@cache  # once of each
def _say_unchecked(name: str) -> None:
    said = "has no digests of its files (registered before there were any): they are not checked"
    print(masked(f"{name}: {said}"), file=sys.stderr, flush=True)
