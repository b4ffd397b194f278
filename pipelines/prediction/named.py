"""A pose network by the name that people call it, as what reads images at hand.

What a kind of network needs is imported where it is met: a file of ONNX is read without torch.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.prediction.reader import PoseReader
from pipelines.recipe.strict import hint

FILES = (".onnx", ".pt", ".pth")
OPENVINO = "openvino"
RUNTIMES = ("onnxruntime", OPENVINO)
ACCEPTED = "SLOT, SLOT@ALIAS, SLOT:NUMBER, a recipe that is trained here, best.pt or FILE.onnx"


def open_reader(
    given: str,
    *,
    device: str | None = None,
    flip_test: bool | None = None,
    sidecar: Path | None = None,
    runtime: str | None = None,
) -> PoseReader:
    """The network that is meant: a registered slot, a recipe that is trained here, or a file.

    given: `pose-coco` (its champion), `pose-coco@candidate`, `pose-coco:3`, models:/pose-coco/3, a
    recipe's name, a best.pt, a FILE.onnx. device: None, a card where there is one; flip_test:
    None, as the network's evaluation had it; sidecar: what says how a FILE.onnx of others is read
    (None: FILE.yaml beside it, where it is); runtime: of RUNTIMES, what runs a FILE.onnx of ours
    (None: onnxruntime). Raises ValueError that says what there is.
    """
    path = Path(given).expanduser()
    if path.is_file() and path.suffix == ".onnx":
        return _of_onnx(path, given, flip_test, sidecar, runtime)
    if runtime is not None:
        do = "`python -m pipelines.export RECIPE` writes one, into results/RECIPE/export"
        raise refusal("runtime", given=runtime, accepted="with a file of ONNX alone", do=do)
    if path.is_file():
        return _of_best(path, given, device, flip_test)
    if not given.startswith("models:/") and (path.suffix in FILES or len(path.parts) > 1):
        raise refusal(given, fault="no such file", accepted=ACCEPTED)
    trained = trained_recipes()
    if given in trained:
        return _of_best(places.best_weights(given), given, device, flip_test)
    return _of_version(given, trained, device, flip_test)


def trained_recipes() -> list[str]:
    """Recipes whose weights lie here."""
    return sorted(path.parents[1].name for path in places.results().glob("*/trained/best.pt"))


def _of_onnx(
    path: Path, name: str, flip_test: bool | None, sidecar: Path | None, runtime: str | None
) -> PoseReader:
    from pipelines.prediction.foreign_reader import foreign_reader
    from pipelines.prediction.onnx_reader import onnx_reader
    from pipelines.prediction.sidecar import sidecar_of

    about = sidecar or sidecar_of(path)
    if runtime not in (None, *RUNTIMES):
        raise refusal("runtime", given=runtime, accepted=", ".join(RUNTIMES))
    if sidecar is not None or about.is_file():
        if runtime == OPENVINO:
            fault = f"{name} is read as its sidecar says, by onnxruntime alone"
            raise refusal("runtime", fault=fault, do="leave it out")
        return foreign_reader(path, about, name, flip_test)
    if runtime == OPENVINO:
        from pipelines.host.openvino_session import OpenVinoSession

        return onnx_reader(path, name, flip_test, OpenVinoSession(path))
    return onnx_reader(path, name, flip_test)


def _of_best(path: Path, name: str, device: str | None, flip_test: bool | None) -> PoseReader:
    from pipelines.prediction.devices import chosen_device
    from pipelines.prediction.trained import load_trained
    from pipelines.prediction.trained_reader import trained_reader

    where = chosen_device(device)
    trained = load_trained(path, name, None)
    trained = replace(trained, network=trained.network.to(where), device=where)
    return trained_reader(trained, name, file_digest(path), flip_test)


def _of_version(
    given: str, trained: list[str], device: str | None, flip_test: bool | None
) -> PoseReader:
    from pipelines.recipe.reader import recipe_names
    from pipelines.tracking.registered_versions import bring_version, registered_names

    brought = bring_version(given)
    if brought is None:
        raise _unknown(given, registered_names(), trained, recipe_names())
    from pipelines.prediction.trained_reader import trained_reader
    from pipelines.prediction.version_files import load_version

    name = f"{brought.slot}:{brought.number}"
    digest = file_digest(brought.folder / places.MODEL_WEIGHTS)
    return trained_reader(load_version(brought.folder, name, device), name, digest, flip_test)


def _unknown(given: str, slots: list[str], trained: list[str], recipes: list[str]) -> ValueError:
    """What there is: registered slots, recipes that are trained; the nearest."""
    if given in recipes:
        do = f"run `make repro RECIPE={given}`"
        return refusal(f"recipe {given}", fault="not trained here", do=do)
    there = [f"{told} {', '.join(names)}" for told, names in
             (("registered:", slots), ("trained here:", trained)) if names]  # fmt: skip
    nothing = "nothing is registered or trained here yet; a best.pt or a FILE.onnx"
    accepted = f"{'; '.join(there) or nothing}{hint(given, [*slots, *trained])}"
    return refusal("MODEL", given=given, accepted=accepted)
