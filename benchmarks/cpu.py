"""The first examples on a CPU beside compiled FlexAttention and dense SDPA.

python -m benchmarks cpu
python -m benchmarks cpu --tokens 4096 --dtypes float32 --patterns bigbird longlora
python -m benchmarks cpu --no-flex               # without the 15 s that each compilation takes

One run measures all peers in turn, so that a busy machine is busy for all; figures are medians.
FlexAttention gets a mask function written by hand, as its users write one, and its BlockMask from
our layout, so that it does not pay for finding tiles; it has no backward pass on a CPU. SDPA gets
the dense boolean mask, or `is_causal` where that is the mask. Results go to `results/cpu.json`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

import maskc

EXAMPLES = Path(__file__).parents[1] / "examples"
RESULTS = Path(__file__).with_name("results")
MEAN_DOCUMENT = 1024
MOST_DENSE = 4096
"""Tokens up to which SDPA is measured with a dense mask."""

SHORT = 256

FILES = {"short_window": "sliding_window"}
"""Examples whose rows have another name."""

MaskMod = Callable[..., torch.Tensor]


@dataclass(frozen=True, slots=True)
class Row:
    """One pattern at one length and dtype. Milliseconds are medians; None: not measured."""

    pattern: str
    tokens: int
    dtype: str
    heads: int
    dim: int
    kept_per_query: float
    computed_by_kept: float
    plan_ms: float
    maskc_ms: float
    backward_ms: float
    flex_ms: float | None
    flex_compile_s: float | None
    sdpa_ms: float | None
    difference: float | None
    """Greatest difference of maskc's output from that of the peers"""

    @property
    def line(self) -> str:
        """The row as text."""
        flex = f"{self.flex_ms:10.1f}{self.flex_ms / self.maskc_ms:7.2f}" if self.flex_ms else ""
        sdpa = f"{self.sdpa_ms:10.1f}{self.sdpa_ms / self.maskc_ms:7.2f}" if self.sdpa_ms else ""
        return (
            f"{self.pattern:27}{self.tokens:7} {self.dtype:9}{self.kept_per_query:8.0f}"
            f"{self.computed_by_kept:7.2f}{self.plan_ms:9.1f}{self.maskc_ms:9.1f}"
            f"{self.backward_ms:9.1f}{self.backward_ms / self.maskc_ms:6.2f}{flex:>17}{sdpa:>17}"
        )


HEADER = (
    f"{'pattern':27}{'tokens':>7} {'dtype':9}{'kept/q':>8}{'ampl':>7}{'plan':>9}{'maskc':>9}"
    f"{'backward':>9}{'x':>6}{'flex':>10}{'x':>7}{'sdpa':>10}{'x':>7}   (ms; x: by maskc)"
)


def main() -> None:
    """Measure, print a line for each result, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[4096, 16384])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--patterns", nargs="+", choices=sorted(MASK_MODS), default=list(MASK_MODS))
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-flex", action="store_true", help="leave FlexAttention out")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "cpu.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(HEADER)
    rows = []
    for row in measured(options):
        rows.append(asdict(row))
        print(row.line, flush=True)
        record = {
            "machine": machine(),
            "command": shlex.join(["python", "-m", "benchmarks", "cpu", *sys.argv[1:]]),
            "results": rows,
        }
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {options.output}")


def measured(options: argparse.Namespace) -> Iterator[Row]:
    """One row after another."""
    for n in options.tokens:
        for name in options.patterns:
            for dtype in options.dtypes:
                yield measure(name, n, getattr(torch, dtype), options)


def measure(name: str, n: int, dtype: torch.dtype, options: argparse.Namespace) -> Row:
    """One pattern at one length and dtype."""
    torch.manual_seed(n)
    heads, dim = options.heads, options.dim
    q, k, v, d_out = (torch.randn(1, heads, n, dim).to(dtype) for _ in range(4))
    arguments = arguments_of(name, n, heads)
    example = FILES.get(name, name)
    pattern = getattr(maskc.load(EXAMPLES / f"{example}.attn"), example)

    def ours() -> torch.Tensor:
        return pattern(q, k, v, backend="torch", **arguments)

    runs: dict[str, Callable[[], torch.Tensor]] = {"maskc": ours}
    start = time.perf_counter()
    ours()
    first_s = time.perf_counter() - start
    compile_s = None
    if not options.no_flex:
        runs["flex"], compile_s = compiled_flex(name, pattern, (q, k, v), arguments)
    if name == "dense_causal":
        runs["sdpa"] = lambda: scaled_dot_product_attention(q, k, v, is_causal=True)
    elif n <= MOST_DENSE:
        mask = pattern.dense_mask(n, heads=heads, **arguments)
        runs["sdpa"] = lambda: scaled_dot_product_attention(q, k, v, attn_mask=mask)
    expected = ours()
    errors = [(run() - expected).abs().max().item() for key, run in runs.items() if key != "maskc"]
    leaves = [x.clone().requires_grad_() for x in (q, k, v)]
    out = pattern(*leaves, backend="torch", **arguments)
    runs["backward"] = lambda: torch.autograd.grad(out, leaves, d_out, retain_graph=True)[0]
    times = medians(runs, options.repeats)
    layout = pattern.layouts.layout(pattern.spec, pattern.bind(n, heads=heads, **arguments), TILE)
    kept = layout.kept_pairs
    return Row(
        pattern=name,
        tokens=n,
        dtype=str(dtype).removeprefix("torch."),
        heads=heads,
        dim=dim,
        kept_per_query=kept / heads / n,
        computed_by_kept=layout._known["torch plan"].pairs / kept,
        plan_ms=max(1e3 * first_s - times["maskc"], 0.0),
        maskc_ms=times["maskc"],
        backward_ms=times["backward"],
        flex_ms=times.get("flex"),
        flex_compile_s=compile_s,
        sdpa_ms=times.get("sdpa"),
        difference=max(errors, default=None),
    )


TILE = (64, 64)


def medians(runs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Milliseconds of each, the medians of runs in turn."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(several) for name, several in times.items()}


def compiled_flex(
    name: str, pattern: Any, qkv: tuple[torch.Tensor, ...], arguments: dict[str, Any]
) -> tuple[Callable[[], torch.Tensor], float]:
    """Compiled FlexAttention under the same mask, and the seconds that compiling took."""
    from torch.nn.attention.flex_attention import flex_attention

    q, k, v = qkv
    mask_mod = MASK_MODS[name](q.shape[2], q.shape[1], arguments)
    layout = pattern.layout(q.shape[2], heads=q.shape[1], **arguments)
    block_mask = layout.to_block_mask(mask_mod)
    torch.compiler.reset()
    flex = torch.compile(flex_attention, dynamic=False)

    def run() -> torch.Tensor:
        with torch.no_grad():
            return flex(q, k, v, block_mask=block_mask)

    start = time.perf_counter()
    run()
    return run, time.perf_counter() - start


def arguments_of(name: str, n: int, heads: int) -> dict[str, Any]:
    """What an example must be given: half of the heads full, documents of 1,024 tokens."""
    if name == "short_window":
        return {"window": SHORT}
    if name == "duo_attention":
        return {"retrieval": [head % 2 == 0 for head in range(heads)]}
    if name == "packed_documents":
        generator = torch.Generator().manual_seed(n)
        begins = torch.rand(1, n, generator=generator) < 1 / MEAN_DOCUMENT
        return {"doc": begins.cumsum(1), "causal_only": True}
    return {}


def dense_causal(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """K <= q."""
    return lambda b, h, q, k: k <= q


def sliding_window(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """The last 4,096."""
    return lambda b, h, q, k: (k <= q) & (q - k < 4096)


def short_window(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """The last 256."""
    return lambda b, h, q, k: (k <= q) & (q - k < SHORT)


def streaming_llm(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """The last 1,024 and the first 4."""
    return lambda b, h, q, k: (k <= q) & ((q - k < 1024) | (k < 4))


def longformer(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """256 on each side, and one global token."""
    return lambda b, h, q, k: ((q - k).abs() <= 256) | (k < 1) | (q < 1)


def bigbird(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """Blocks of 64: three around, both ends, three drawn, which are in a table."""
    blocks = -(-n // 64)
    drawn = torch.zeros(heads, blocks, blocks, dtype=torch.bool)
    for head in range(heads):
        for block in range(blocks):
            for i in range(3):
                drawn[head, block, hashed(0, head, block, i) % blocks] = True

    def mask_mod(b: Any, h: Any, q: Any, k: Any) -> torch.Tensor:
        q, k = q // 64, k // 64
        ends = (q == 0) | (q == blocks - 1) | (k == 0) | (k == blocks - 1)
        return ((q - k).abs() <= 1) | ends | drawn[h, q, k]

    return mask_mod


def sparse_transformer_strided(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """The last 128 and every 128th before them."""
    return lambda b, h, q, k: (k <= q) & ((q - k < 128) | ((q - k) % 128 == 0))


def sparse_transformer_fixed(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """The own block of 128 and the last 32 columns of every earlier one."""
    return lambda b, h, q, k: (k <= q) & ((q // 128 == k // 128) | (k % 128 >= 96))


def longlora(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """Groups of 2,048, shifted by half in the second half of the heads."""

    def mask_mod(b: Any, h: Any, q: Any, k: Any) -> torch.Tensor:
        shift = torch.where(h < heads // 2, 0, 1024)
        return (k <= q) & ((q - shift + 2048) // 2048 == (k - shift + 2048) // 2048)

    return mask_mod


def power_attention(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """The last 512, 4 sinks, and blocks of 128 at powers of two."""

    def mask_mod(b: Any, h: Any, q: Any, k: Any) -> torch.Tensor:
        back = q // 128 - k // 128
        power = (back > 0) & ((back & (back - 1)) == 0)
        return (k <= q) & ((q - k < 512) | (k < 4) | power)

    return mask_mod


def duo_attention(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """Every second head sees all, the others 64 sinks and the last 256."""
    retrieval = torch.tensor(arguments["retrieval"])
    return lambda b, h, q, k: (k <= q) & (retrieval[h] | (k < 64) | (q - k < 256))


def packed_documents(n: int, heads: int, arguments: dict[str, Any]) -> MaskMod:
    """The own document, causal."""
    doc = arguments["doc"][0]
    return lambda b, h, q, k: (k <= q) & (doc[q] == doc[k])


MASK_MODS: dict[str, Callable[[int, int, dict[str, Any]], MaskMod]] = {
    make.__name__: make
    for make in (
        dense_causal,
        sliding_window,
        short_window,
        streaming_llm,
        longformer,
        bigbird,
        sparse_transformer_strided,
        sparse_transformer_fixed,
        longlora,
        power_attention,
        duo_attention,
        packed_documents,
    )
}
"""Each example's mask once more, written by hand for FlexAttention."""


def hashed(seed: int, *arguments: int) -> int:
    """The language's `hash`."""

    def mix(x: int) -> int:
        x ^= x >> 16
        x = x * 0x85EBCA6B & 0xFFFFFFFF
        x ^= x >> 13
        x = x * 0xC2B2AE35 & 0xFFFFFFFF
        return x ^ x >> 16

    value = mix(seed & 0xFFFFFFFF ^ 0x9E3779B9)
    for argument in arguments:
        value = mix(value * 0x9E3779B1 + argument & 0xFFFFFFFF)
    return value


def machine() -> dict[str, Any]:
    """What the figures were measured on and with."""
    cpu = platform.processor() or platform.machine()
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        names = [line for line in listed.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":")[1].strip() if names else cpu
    git = ["git", "-C", str(EXAMPLES), "rev-parse", "HEAD"]
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "maskc": maskc.__version__,
        "commit": subprocess.run(git, capture_output=True, text=True).stdout.strip() or None,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


if __name__ == "__main__":
    main()
