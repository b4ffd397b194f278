"""python -m pipelines: lists the commands, one line each; `python -m pipelines.NAME --help`."""

from __future__ import annotations

from pipelines.host.command import commands


def main() -> None:
    listed = dict(commands())
    width = max(map(len, listed))
    print("python -m pipelines.NAME (--help explains each):\n")
    for name, about in listed.items():
        print(f"  {name:<{width}}  {about}")


if __name__ == "__main__":
    main()
