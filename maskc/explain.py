"""What a pattern costs at a length, against dense attention, as data and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maskc.setting import Setting

BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
COUNTS = ("", "k", "M", "G", "T", "P", "E")


def figures(
    attention: Any,
    call: Setting,
    *,
    head_dim: int = 64,
    block: int | None = None,
    device: str | None = None,
) -> dict[str, Any]:
    """The costs of one forward call, as plain numbers.

    Args:
        attention: the public object of the pattern.
        call: lengths, heads, parameters and inputs.
        head_dim: of q, k and v.
        block: side of a tile, None for the one that the call would take.
        device: "cpu" or "cuda", None for "cuda" where there is one.

    """
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    arguments = call_arguments(attention, call)
    told = attention.explain(
        call.n_q,
        call.n_k,
        head_dim=head_dim,
        block=block,
        device=device,
        **arguments,
    )
    pairs = told["batches"] * told["heads"] * told["n_q"] * told["n_k"]
    tiles = told["full tiles"] + told["partial tiles"] + told["absent tiles"]
    return {
        "pattern": told["pattern"],
        "n_q": told["n_q"],
        "n_k": told["n_k"],
        "heads": told["heads"],
        "head_dim": head_dim,
        "made_up": list(call.made_up),
        "device": device,
        "back_end": told["back end"],
        "why": told["why"],
        "block": list(told["block"]),
        "pairs": pairs,
        "kept_pairs": told["kept pairs"],
        "density": told["density"],
        "tiles": tiles,
        "full_tiles": told["full tiles"],
        "partial_tiles": told["partial tiles"],
        "empty_tiles": told["absent tiles"],
        "computed_pairs": told["computed pairs"],
        "amplification": told["amplification"],
        "layout_bytes": told["bytes"],
        "dense_mask_bytes": pairs,
        "flops": told["FLOPs"],
        "dense_flops": told["dense FLOPs"],
    }


def tiles_of(attention: Any, call: Setting, block: int, heads: range) -> list[list[list[int]]]:
    """The tiles of some heads in the first batch: 0 absent, 1 partial, 2 full."""
    layout = attention.layout(call.n_q, call.n_k, block=block, **call_arguments(attention, call))
    return [layout.tiles(0, head).tolist() for head in heads]


def rows(told: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The figures as lines of a table: what, how much, beside what dense attention takes."""
    tiles, side = told["tiles"], "x".join(str(b) for b in told["block"])
    return [
        ("back end", told["back_end"], told["why"]),
        ("pairs kept", count(told["kept_pairs"]), f"of {count(told['pairs'])}"),
        ("density", f"{told['density']:.3%}", ""),
        (f"full tiles of {side}", count(told["full_tiles"]), share(told["full_tiles"], tiles)),
        ("partial tiles", count(told["partial_tiles"]), share(told["partial_tiles"], tiles)),
        ("empty tiles", count(told["empty_tiles"]), share(told["empty_tiles"], tiles)),
        ("amplification", f"{told['amplification']:.3f}", "pairs computed / pairs kept"),
        (
            "mask in memory",
            size(told["layout_bytes"]),
            f"dense: {size(told['dense_mask_bytes'])}",
        ),
        (
            "forward FLOPs",
            count(told["flops"]),
            f"dense: {count(told['dense_flops'])}, {times(told['dense_flops'], told['flops'])}",
        ),
    ]


def count(number: int) -> str:
    """A count with a metric prefix and three digits, small ones as they are.

    Example:
        >>> count(9_999), count(1_234_567)
        ('9,999', '1.23 M')

    """
    if number < 10_000:
        return f"{number:,}"
    return _prefixed(number, 1000, COUNTS)


def size(number: int) -> str:
    """Bytes with a binary prefix.

    Example:
        >>> size(512), size(3 << 20)
        ('512 B', '3.00 MiB')

    """
    return f"{number} B" if number < 1024 else _prefixed(number, 1024, BYTES)


def share(part: int, whole: int) -> str:
    """A part in per cent."""
    return f"{part / whole:.2%}" if whole else ""


def times(more: int, less: int) -> str:
    """How many times one number goes into another."""
    return f"{more / less:.1f} times as many" if less else "nothing is left to compute"


def call_arguments(attention: Any, call: Setting) -> dict[str, Any]:
    """The keywords of the public object's methods that describe a call."""
    import torch

    spec = attention.spec
    dtypes = {"int": torch.int64, "bool": torch.bool, "float": torch.float32}
    types = {wanted.name: dtypes[wanted.type] for wanted in spec.inputs}
    return {
        "grid": call.grid or None,
        "segments": call.segments or None,
        "heads": call.heads,
        "kv_heads": call.kv_heads,
        "layer": call.layer,
        "n_layers": call.n_layers,
        "inputs": {n: torch.tensor(x, dtype=types[n]) for n, x in call.inputs.items()},
        **call.keywords(),
    }


def _prefixed(number: float, step: int, names: tuple[str, ...]) -> str:
    index = 0
    while number >= step and index < len(names) - 1:
        number, index = number / step, index + 1
    return f"{number:.2f} {names[index]}" if number < 100 else f"{number:.0f} {names[index]}"
