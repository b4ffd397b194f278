"""What the papers say that their networks save, or cost, against others: counted, print beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.cost import Cost
from pipelines.report.cost_rows import LARGE, MIDDLE, RENET, SMALL, Row
from pipelines.report.markdown import NONE, markdown_table
from pipelines.report.published import COUNTS

Costs = Mapping[tuple[str, str], Cost]  # (network, input) -> what it costs
INTRODUCTION = """## What the papers save

The first network against the second, at the same input: the difference, and its share.
GFLOPs are in the count that the paper uses (exact Gi where it prints none); "said" is what the
paper says of it, in figures where it has some.
"""
SQUARE, EDGE = (512, 512), (368, 368)
MORE, ALMOST = "more (4.3.1), almost the same (4.3.3)", "almost the same"
LITTLE = "little"
ROUNDED = "said of rounded figures: 16.4 of 28.6 M (cut: 42.66%), 30.7 of 44.6"
WHOLE = "22.2% is 7 of 9, figures without a digit behind the point; 3.82 of 4.09 M is 6.6%"
STAGES = "the paper does not say with how many stages"
SE = "what its attention adds"
FEWER = "the paper's two sentences do not agree; this reading has fewer"
WIDER = "the reading that has more parameters; its complexity is another"
WIDTH = "22 channels a group are chosen so that it is"
PLUG = "the paper prints the base's own numbers for both"


@dataclass(frozen=True)
class Claim:
    """`ours` against `base`; said_*: the paper's words in figures, "" where it says nothing."""

    paper: str
    ours: Row
    base: Row
    count: str = "exact_gi"
    said_params: str = ""
    said_gflops: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Saving:
    """A claim with what both networks cost."""

    claim: Claim
    ours: Cost
    base: Cost

    @property
    def params(self) -> float:
        """Ours over the base's."""
        return self.ours.params / self.base.params

    def gflops(self, count: str = "") -> float:
        """Ours over the base's, in the claim's count if no other is named."""
        name = count or self.claim.count
        return float(getattr(self.ours, name) / getattr(self.base, name))


def claims() -> Iterator[Claim]:
    yield from _ghosts()
    yield from _plain_ghosts()
    yield from _resolution()
    yield Claim("CA-HRNet", Row("ca_hrnet", "w32", MIDDLE), Row("hrnet", "w32", MIDDLE), "hr_gi",
                remark="the paper says nothing of its cost")  # fmt: skip
    yield from _plug_in()


def _ghosts() -> Iterator[Claim]:
    lite = Row("lite_higher_hrnet", "a", SQUARE)
    yield Claim("Lite-HigherHRNet", lite, Row("higher_hrnet", "w32", SQUARE), "hr_gi",
                "-42.6%", "-31.2%", ROUNDED)  # fmt: skip
    yield Claim("Lite-HigherHRNet", lite, Row("lite_higher_hrnet", "a_no_se", SQUARE), "hr_gi",
                remark=SE)  # fmt: skip


def _plain_ghosts() -> Iterator[Claim]:
    ghost = Row("ghost_openpose", "decided", EDGE)
    r1 = Row("lightweight_openpose", "r1", EDGE)
    yield Claim("Ghost OpenPose", ghost, r1, "exact_g", "-6.7%", "-22.2%", WHOLE)
    for stages in (3, 6):
        base = Row("openpose", f"stages_{stages}", EDGE)
        yield Claim("Ghost OpenPose", ghost, base, "exact_g", said_gflops="below 1/8",
                    remark=STAGES)  # fmt: skip
    yield Claim("Ghost OpenPose", ghost, Row("ghost_openpose", "decided_no_se", EDGE), "exact_g",
                LITTLE, LITTLE, SE)  # fmt: skip


def _resolution() -> Iterator[Claim]:
    first = Row("simple_baseline", "r50", MIDDLE)
    pairs = (("59", first), ("110", Row("simple_baseline", "r101", MIDDLE)),
             ("161", Row("simple_baseline", "r152", MIDDLE)))  # fmt: skip
    for variant, base in pairs:
        yield Claim("HSRNet", Row("hsrnet", variant, MIDDLE), base, said_params=MORE,
                    said_gflops=ALMOST, remark=FEWER)  # fmt: skip
    yield Claim("HSRNet", Row("hsrnet", "wide", MIDDLE), first, said_params=MORE,
                said_gflops=ALMOST, remark=WIDER)  # fmt: skip
    multi = Row("hsr_msnet", "59", MIDDLE)
    yield Claim("HSR-MSNet", multi, Row("hsrnet", "59", MIDDLE), said_params="the same",
                remark=WIDTH)  # fmt: skip
    yield Claim("HSR-MSNet", multi, first, said_params=ALMOST, said_gflops=ALMOST)


def _plug_in() -> Iterator[Claim]:
    bases = (("simple_baseline", "r50", SMALL), ("simple_baseline", "r101", SMALL),
             ("hrnet", "w32", SMALL), ("hrnet", "w48", SMALL), ("hrnet", "w32", MIDDLE),
             ("hrnet", "w48", LARGE))  # fmt: skip
    for name, variant, size in bases:
        refined = Row(name, variant, size, refine=RENET)
        yield Claim("PoseReNet", refined, Row(name, variant, size), "hr_gi", LITTLE, LITTLE, PLUG)


def savings(costs: Costs) -> list[Saving]:
    """Of the claims whose two networks were counted."""
    found = []
    for claim in claims():
        ours, base = (costs.get((row.network, row.input)) for row in (claim.ours, claim.base))
        if ours and base:
            found.append(Saving(claim, ours, base))
    return found


def savings_section(found: Sequence[Saving]) -> str:
    head = ["paper", "network", "against", "input", "params", "said", "GFLOPs", "said", "exact Gi",
            "note"]  # fmt: skip
    return f"{INTRODUCTION}\n{markdown_table(head, [_line(each) for each in found])}\n"


def _line(saving: Saving) -> list[str]:
    claim, count = saving.claim, saving.claim.count
    ours, base = saving.ours, saving.base
    apart = getattr(ours, count) - getattr(base, count)
    exact = ours.exact_gi - base.exact_gi
    return [
        claim.paper,
        claim.ours.network,
        claim.base.network,
        claim.ours.input,
        f"{ours.params - base.params:+,}: {told(saving.params)}",
        claim.said_params or NONE,
        f"{apart:+.3f} {COUNTS[count]}: {told(saving.gflops())}",
        claim.said_gflops or NONE,
        f"{exact:+.3f}: {told(saving.gflops('exact_gi'))}",
        claim.remark,
    ]


def told(ratio: float) -> str:
    """`-42.9%`; of a small part also which one: `-90.8%, 1/10.9`."""
    part = f", 1/{1 / ratio:.1f}" if ratio < 0.25 else ""
    digits = 1 if abs(ratio - 1) >= 0.001 else 2
    return f"{100 * (ratio - 1):+.{digits}f}%{part}"


def as_json(saving: Saving) -> dict[str, Any]:
    claim = saving.claim
    return {
        "paper": claim.paper,
        "network": claim.ours.network,
        "against": claim.base.network,
        "input_size": list(claim.ours.size),
        "said": {"params": claim.said_params or None, "gflops": claim.said_gflops or None},
        "params": saving.params,
        "gflops": {name: saving.gflops(name) for name in COUNTS},
        "count": claim.count,
        "note": claim.remark,
    }
