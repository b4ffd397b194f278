"""What DVC writes of itself and may be half written where it was killed: seen and mended before it
runs again, as it would refuse every command from then on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from data.ground.yaml_text import read_yaml
from pipelines.host.processes import held

STAGES, LOCKS = "dvc.lock", "rwlock"
TEMPORARY = Path(".dvc/tmp")
OF_STAGES, OF_LOCKS = "lock", "rwlock.lock"  # whom DVC lets write each
DAMAGED = ".damaged"  # beside what was set aside
CONFLICT = b"<<<<<<<"  # git's, for people to solve
PATIENCE_S = 60.0  # for a DVC that runs beside to have written
BEGINS, ENDS = b"schema: '2.0'\n", b"\n"  # as DVC writes it
READS = """
import sys
from dvc.schema import COMPILED_LOCKFILE_SCHEMA as schema
from dvc.utils.serialize import load_yaml
schema(load_yaml(sys.argv[1]) or {})
"""


def dvc_reads(path: Path) -> bool:
    """Whether DVC takes a dvc.lock, by its own word: a second."""
    done = subprocess.run([sys.executable, "-c", READS, path], capture_output=True, check=False)
    return done.returncode == 0


def mend_dvc(checkout: Path, reads: Callable[[Path], bool] = dvc_reads) -> None:
    """Says on stderr what it mended. Raises ValueError where another DVC holds its locks for long.

    .dvc/tmp/rwlock tells which DVC works on which paths: whoever was killed as it wrote works no
    more. dvc.lock tells what each stage was run on: without it stages run again, and trainings that
    are finished are taken over. reads: what is asked about a dvc.lock that looks odd.
    """
    temporary, stages = checkout / TEMPORARY, checkout / STAGES
    if not temporary.is_dir():
        return
    locks = temporary / LOCKS
    if not _is_json(locks):
        with held(temporary / OF_LOCKS, "writes it", PATIENCE_S):
            if not _is_json(locks):
                locks.unlink()
                _say(f"{TEMPORARY / LOCKS}: half written by a DVC that was killed; removed")
    if not _is_whole(stages, reads):
        with held(temporary / OF_STAGES, "works here", PATIENCE_S):
            if not _is_whole(stages, reads):
                aside = stages.with_name(f"{STAGES}{DAMAGED}")
                stages.replace(aside)
                _say(f"{STAGES}: half written by a DVC that was killed; set aside as {aside.name}, "
                     "stages run again (finished trainings are taken over)")  # fmt: skip


def _is_json(path: Path) -> bool:
    """Also where there is no such file."""
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except FileNotFoundError:
        return True
    except ValueError:
        return False


def _is_whole(path: Path, reads: Callable[[Path], bool]) -> bool:
    """Whether DVC would read it, or people must."""
    if not path.is_file():
        return True
    text = path.read_bytes()
    return CONFLICT in text or _looks_whole(text, path) or (bool(text) and reads(path))


def _looks_whole(text: bytes, path: Path) -> bool:
    """Written to the end of a line, and no stage without its command and files."""
    if not (text.startswith(BEGINS) and text.endswith(ENDS)):
        return False
    try:
        stages = read_yaml(path).get("stages", {})
        sides = [stage.get(side, []) for stage in stages.values() for side in ("deps", "outs")]
        files = [file for side in sides for file in side]
        params = [each for stage in stages.values() for each in stage.get("params", {}).values()]
        return all("cmd" in stage for stage in stages.values()) and None not in params + [
            file["path"] for file in files
        ]
    except (ValueError, AttributeError, TypeError, KeyError):
        return False


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
