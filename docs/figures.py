"""The page of what was measured, made of `benchmarks/results/`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"

INTRODUCTION = """# Figures

<!-- written by docs/generate.py from benchmarks/results/ -->

What was measured, as it is kept in `benchmarks/results/`, with the commands to measure again."""

CPU = """## Attention on a CPU

Milliseconds, medians of runs in turn: the forward pass, the backward pass by the forward one, and
how many times as long others take for the forward pass. FlexAttention is compiled beforehand, gets
its mask function by hand and its block mask from our layout, and has no backward pass on a CPU;
SDPA gets the dense mask, at 4,096 tokens, or `is_causal`. `short_window` is `sliding_window` with
`window=256`."""

LAYOUT = """## Layouts

Milliseconds to build the layout of one head at about a million tokens, from nothing, on one thread,
the least of several; what it takes in memory; and its tiles of 128 x 128. A few masks have
millions of tiles."""

INSTRUCTIONS = """## Instructions of the kernels

Of one warp for each tile of the innermost loops, registers for each thread and bytes spilled, as
compiled ahead of time."""


def page() -> str:
    """`docs/figures.md`."""
    parts = (
        INTRODUCTION,
        _layout(_read("layout")),
        _cpu(_read("cpu")),
        _instructions(_read("instructions")),
    )
    return "\n\n".join(parts) + "\n"


def _layout(told: dict[str, Any]) -> str:
    rows = [
        (
            row["pattern"],
            f"{row['tokens']:,}",
            f"{row['milliseconds']:.1f}",
            f"{row['kibibytes']:,.0f}",
            f"{row['full']:,}",
            f"{row['partial']:,}",
        )
        for row in told["results"]
    ]
    table = _table(("pattern", "tokens", "ms", "KiB", "full", "partial"), rows)
    return f"{LAYOUT}\n\n{_machine(told, 'layout')}\n\n{table}"


def _cpu(told: dict[str, Any]) -> str:
    rows = [
        (
            row["pattern"],
            f"{row['tokens']:,}",
            row["dtype"],
            f"{row['kept_per_query']:,.0f}",
            f"{row['computed_by_kept']:.2f}",
            f"{row['maskc_ms']:.0f}",
            f"{row['backward_ms'] / row['maskc_ms']:.1f}",
            _times(row["flex_ms"], row["maskc_ms"]),
            _times(row["sdpa_ms"], row["maskc_ms"]),
        )
        for row in told["results"]
    ]
    first = told["results"][0]
    shape = f"{first['heads']} heads of dimension {first['dim']}, batch 1."
    head = ("pattern", "tokens", "dtype", "kept/query", "amplification", "forward")
    table = _table((*head, "backward", "FlexAttention", "SDPA"), rows)
    return f"{CPU}\n\n{shape} {_machine(told, 'cpu')}\n\n{table}"


def _instructions(told: dict[str, Any]) -> str:
    rows = [
        (
            cost["arch"],
            cost["kernel"],
            cost["dim"],
            f"{cost['tile'][0]} x {cost['tile'][1]}",
            cost["full"],
            cost["partial"],
            cost["registers"],
            cost["spilled"],
        )
        for cost in told["costs"]
    ]
    head = ("target", "kernel", "dim", "tile", "full", "partial", "registers", "spilled")
    what = f"{told['pattern']}, Triton {told['triton']}: `python -m benchmarks instructions`."
    return f"{INSTRUCTIONS}\n\n{what}\n\n{_table(head, rows)}"


def _machine(told: dict[str, Any], command: str) -> str:
    machine = told["machine"]
    threads = f"{machine['threads']} thread{'' if machine['threads'] == 1 else 's'}"
    return (
        f"{machine['cpu']}, {threads}, torch {machine['torch']}, commit {machine['commit'][:7]}, "
        f"{machine['date']}: `python -m benchmarks {command}`."
    )


def _times(theirs: float | None, ours: float) -> str:
    return "" if theirs is None else f"{theirs / ours:.2f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
