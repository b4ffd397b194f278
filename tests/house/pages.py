"""Rules on the page: lengths, names, refusals, and contracts that are types."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Mapping, Set
from pathlib import Path

from tests.house.tree import functions, parsed, place, sources

FILE_LINES, FUNCTION_LINES = 300, 40  # each is below
LONG = {  # "path" or "path:function" -> why it may be longer
    "models/lite_higher_hrnet.py:__init__": "what the network is made of, an option a line",
}
VAGUE = {"utils", "util", "common", "misc", "base", "helpers", "helper"}
CONTRACTS = {"codec", "evaluator", "loss", "network"}
SAFE = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}  # said so, always
RUNNING = ("pickle.", "joblib.", "dill.", "cloudpickle.", "marshal.", "shelve.")
RUN = {"eval", "exec", "yaml.load", "torch.export.load", "unsafe_load", "yaml.unsafe_load"}
GUARDED = {  # path -> the call there that is made behind a check, and which
    "pipelines/serving/pose_model.py": "torch.export.load",  # records that are no tensors: refused
    "pipelines/serving/program.py": "torch.export.load",  # of a file that was written just before
}
DEFAULTS = {  # path -> attributes that are read with a default: none is of a contract of ours
    "pipelines/digests/menus.py": {"module", "names"},  # of Python's own syntax tree
    "pipelines/digests/sources.py": {"body"},  # of Python's own syntax tree
    "pipelines/training/optimizer.py": {"groups"},  # of torch's modules
}
DECODING = ("cv2.imread", "cv2.imdecode", "Image.open", "PIL.Image.open", "simplejpeg.decode")
DECODERS = (  # each holds an image's header against a limit before it is decoded
    "data/files/image_size.py",
    "data/files/images.py",
    "data/files/tiles.py",  # pieces that we wrote
    "data/datasets/formats/picture_folder.py",  # headers alone
    "pipelines/intake/image_check.py",
    "pipelines/media/photos.py",
    "pipelines/serving/model_input.py",
    "pipelines/survey/seen.py",
)


def long_pages(root: Path, longer: Mapping[str, str] = LONG) -> list[str]:
    """Files of 300 lines and functions of 40, or more, that no exception excuses."""
    lengths: dict[str, tuple[int, int]] = {}
    for path in sources(root):
        name = place(path, root)
        lengths[name] = path.read_text().count("\n"), FILE_LINES
        for function in functions(path):
            lines = (function.end_lineno or 0) - function.lineno + 1
            lengths[f"{name}:{function.name}"] = lines, FUNCTION_LINES
    return [
        f"{name}: {lines} lines, allowed: fewer than {limit}"
        for name, (lines, limit) in lengths.items()
        if lines >= limit and name not in longer
    ]


def vague_names(root: Path) -> list[str]:
    """Files and folders whose name says nothing."""
    return [
        f"{place(path, root)}: says nothing of what it holds"
        for path in sources(root)
        if VAGUE & set(path.relative_to(root).with_suffix("").parts)
    ]


def unformatted_raises(root: Path) -> list[str]:
    """`# fmt: skip` inside or behind a raise: `refusal` needs none."""
    return [
        f"{place(path, root)}:{line}: `# fmt: skip` in a raise"
        for path in sources(root)
        for line in _skips(path)
        if any(
            isinstance(node, ast.Raise) and node.lineno <= line <= (node.end_lineno or 0)
            for node in ast.walk(parsed(path))
        )
    ]


def _skips(path: Path) -> list[int]:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return [t.start[0] for t in tokens if t.type == tokenize.COMMENT and "fmt: skip" in t.string]


def contracts_that_are_any(root: Path) -> list[str]:
    """A codec, evaluator, loss or network annotated as `Any`."""
    broken = []
    for path in sources(root):
        for node in ast.walk(parsed(path)):
            name, note = "", None
            if isinstance(node, ast.arg):
                name, note = node.arg, node.annotation
            elif isinstance(node, ast.AnnAssign):
                name, note = ast.unparse(node.target).split(".")[-1].lstrip("_"), node.annotation
            if name in CONTRACTS and note is not None and ast.unparse(note) == "Any":
                broken.append(f"{place(path, root)}:{node.lineno}: {name}: Any")
    return broken


def silent_defaults(root: Path, allowed: Mapping[str, Set[str]] = DEFAULTS) -> list[str]:
    """`getattr(x, "name", default)` in pipelines/: a contract's members are always there."""
    return [
        f"{place(path, root)}:{node.lineno}: getattr of {name!r} with a default"
        for path in sources(root, "pipelines")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr"
        if len(node.args) == 3 and isinstance(node.args[1], ast.Constant)
        if (name := node.args[1].value) not in allowed.get(place(path, root), ())
    ]


def loaders_through_ray(root: Path) -> list[str]:
    """Ray's own sampler would undo the order that a seed fixes."""
    return [
        f"{place(path, root)}: prepare_data_loader"
        for path in sources(root, "pipelines")
        if "prepare_data_loader(" in path.read_text()
    ]


def unchecked_decoders(root: Path) -> list[str]:
    """Readers of images beside those that ask the header first how large one is."""
    return [
        f"{place(path, root)}:{node.lineno}: {name}"
        for path in sources(root)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        if (name := ast.unparse(node.func)).startswith(DECODING)
        if place(path, root) not in DECODERS
    ]


def files_that_may_run(root: Path, guarded: Mapping[str, str] = GUARDED) -> list[str]:
    """Readers that run what a file asks for: pickles and their like, `eval` and `exec`."""
    return [
        f"{place(path, root)}:{node.lineno}: {name}"
        for path in sources(root)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        if _runs(name := ast.unparse(node.func), node)
        if guarded.get(place(path, root)) != name
    ]


def _runs(name: str, call: ast.Call) -> bool:
    if name in SAFE:
        word, value = SAFE[name]
        said = {each.arg: ast.unparse(each.value) for each in call.keywords}
        return said.get(word) != str(value)
    return name in RUN or (name.startswith(RUNNING) and "load" in name.lower())
