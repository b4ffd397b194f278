"""Storage on S3, or in a folder: tried out, told to DVC and shells; what a node keeps of it.

    python -m pipelines.storage check [ADDRESS]   writes, reads, lists and removes files there; says
                                                  what works and how fast, or the mend; without
                                                  ADDRESS: `storage` of params.yaml
    python -m pipelines.storage dvc s3://BUCKET/PREFIX   DVC's default remote from now on, so that
                                                  `dvc push` and `dvc pull` keep data and results
    python -m pipelines.storage export            settings of S3 as lines for a shell
    python -m pipelines.storage cache [--clear]   what this node keeps of a store's data; --clear
                                                  removes what no training uses

How S3 is reached stands in params.yaml (s3: endpoint, region, checksums); the environment wins.
Credentials are never written: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role.
"""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence

from data.ground.refusal import refusal
from pipelines.host.command import Arguments, Verb, called, run_command
from pipelines.host.dvc import run_dvc
from pipelines.recipe.addresses import check_addresses
from pipelines.recipe.params import load_params
from pipelines.recipe.storage import read_storage
from pipelines.store.checking import check_store
from pipelines.store.node_cache import GIB, open_node_cache
from pipelines.store.s3 import split_s3
from pipelines.store.settings import s3_settings, s3_variables, use_s3_settings

REMOTE = "limber"
CACHE_GIB = 200.0  # where params.yaml says none


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("storage", __doc__)
    verbs = arguments.add_subparsers(dest="verb", required=True, parser_class=Verb)
    check = verbs.add_parser("check", prog=f"{called()}storage check", text="Tries a store out.")
    check.add_argument("address", nargs="?", help="s3://bucket/prefix or a folder's absolute path")
    remote = verbs.add_parser("dvc", prog=f"{called()}storage dvc", text="DVC's default remote.")
    remote.add_argument("address", help="s3://bucket/prefix")
    verbs.add_parser("export", prog=f"{called()}storage export", text="Lines for a shell.")
    cache = verbs.add_parser("cache", prog=f"{called()}storage cache", text="What a node keeps.")
    cache.add_argument("--clear", action="store_true", help="remove what no training uses")
    acts = {"check": check_storage, "dvc": use_as_remote, "export": export, "cache": show_cache}
    return run_command(arguments, argv, lambda asked: acts[asked.verb](asked))


def check_storage(asked: Namespace) -> None:
    address = asked.address or read_storage(load_params())
    if address is None:
        accepted = "s3://bucket/prefix or the absolute path of a folder that all nodes see"
        do = "set it there, or name one behind `check`"
        raise refusal("params.yaml: storage", given=None, accepted=accepted, do=do)
    for line in check_store(address):
        print(line, flush=True)
    print("all works")


def show_cache(asked: Namespace) -> None:
    """Of this node alone; on a cluster it is asked on each."""
    cache = open_node_cache(float(load_params().get("cluster", {}).get("cache_gib", CACHE_GIB)))
    removed = cache.clear() if asked.clear else []
    kept = cache.kept()
    for rows, what in ((removed, "removed"), (kept, "kept")):
        for row in rows:
            part = "" if row.whole else "  (not whole: the next training that needs it goes on)"
            print(f"{what}  {row.bytes / GIB:9.3f} GiB  {row.name}{part}")
    total = sum(row.bytes for row in kept) / GIB
    print(f"{cache.where}: {total:.3f} GiB of {cache.limit_gib:g} GiB (cluster.cache_gib)")


def use_as_remote(asked: Namespace) -> int:
    """Exit code of DVC. What is written is no secret and belongs into git: `.dvc/config`."""
    if not asked.address.startswith("s3://"):
        raise refusal("storage dvc", given=asked.address, accepted="s3://bucket/prefix")
    check_addresses(asked.address, "storage dvc")
    split_s3(asked.address)
    use_s3_settings()
    told = s3_settings()
    options = {"endpointurl": told.endpoint, "region": told.region}
    code = run_dvc("remote", "add", "--quiet", "--force", "--default", REMOTE, asked.address)
    for name, value in options.items():
        if value and not code:
            code = run_dvc("remote", "modify", "--quiet", REMOTE, name, value)
    if not code:
        print(f"DVC keeps data and results in {asked.address} (.dvc/config, remote {REMOTE})")
        print("next:  dvc push    # and `dvc pull --allow-missing` in another checkout")
    return code


def export(_: Namespace) -> None:
    for name, value in s3_variables().items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
