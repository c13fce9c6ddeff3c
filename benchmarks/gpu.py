"""The ten examples on a GPU beside FlexAttention and dense SDPA, forward and backward.

python -m benchmarks gpu
python -m benchmarks gpu --tokens 4096 131072 --patterns streaming_llm bigbird
python -m benchmarks gpu --tiny                  # a few tokens; without a GPU, interpreted

First each example is held against the float64 oracle, on fresh random inputs, into memory full of
NaN. Peers: compiled `flex_attention` on the same mask (its BlockMask made from our layout, so that
neither pays for finding tiles), and `scaled_dot_product_attention` by flash and by cuDNN, which
know no sparse mask and so do causal attention over everything. Kernels are tuned on each layout
first. Results go to `results/gpu-NAME.json`, with the machine.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"
RESULTS = Path(__file__).with_name("results")
MEAN_DOCUMENT = 1500
TINY_PARAMS = {
    "sinks": 2, "window": 8, "attention_window": 8, "group": 16, "stride": 8, "summary": 2,
    "block_size": 4,
}  # fmt: skip
"""Parameters of the examples that show their pattern on a few tokens."""

MOST_CHECKED = 2000
"""Tokens of the calls held against the oracle, which is dense."""

NOTHING: dict[str, Any] = {"forward_ms": None, "backward_ms": None, "note": ""}


def main() -> None:
    """Measure, print a line for each result, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[16384, 65536])
    parser.add_argument("--patterns", nargs="+", help="names of examples; default: all")
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--kv-heads", type=int, default=4)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--dtype", choices=["bfloat16", "float16", "float32"], default="bfloat16")
    parser.add_argument("--tiny", action="store_true", help="48 tokens, to try the command")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    if options.tiny:
        options.tokens, options.heads, options.kv_heads, options.dim = [48], 2, 1, 16

    import torch

    if not torch.cuda.is_available():
        if not options.tiny:
            parser.error("there is no GPU here; --tiny tries the command without one")
        # Triton reads this when a kernel is defined, so it comes before any spec is loaded.
        os.environ["TRITON_INTERPRET"] = "1"
    rows = []
    for row in measured(options):
        rows.append(row)
        times = f"{_shown(row['forward_ms'])}{_shown(row['backward_ms'])}"
        print(f"{row['pattern']:28}{row['tokens']:8}  {row['peer']:16}{times}  {row['note']}")
    output = options.output or RESULTS / f"gpu-{_slug(machine()['device'])}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    settings = {k: getattr(options, k) for k in ("heads", "kv_heads", "dim", "dtype", "tiny")}
    record = {"machine": machine(), "settings": settings, "results": rows}
    output.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {output}")


def measured(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One result after another: a pattern, a length, a peer, milliseconds, and what to note."""
    import torch

    import maskc

    device = "cuda" if torch.cuda.is_available() else "cpu"
    files = {path.stem: path for path in sorted(EXAMPLES.glob("*.attn"))}
    for name in options.patterns or files:
        yield _checked(getattr(maskc.load(files[name]), name), options, device)
    for n in options.tokens:
        torch.manual_seed(n)
        dtype = getattr(torch, options.dtype)
        shapes = [(1, heads, n, options.dim) for heads in (options.heads, *[options.kv_heads] * 2)]
        q, k, v = (torch.randn(s, device=device, dtype=dtype, requires_grad=True) for s in shapes)
        for peer, attend in _dense_peers().items():
            times = _times(partial(attend, q, k, v), (q, k, v))
            yield _row("all keys, causal", n, peer, times, 0.5 + 0.5 / n)
        for name in options.patterns or files:
            pattern = getattr(maskc.load(files[name]), name)
            arguments = arguments_for(pattern, n, options.kv_heads, device, options.tiny)
            yield from _of_pattern(pattern, arguments, (q, k, v))


def _checked(pattern: Any, options: argparse.Namespace, device: str) -> dict[str, Any]:
    """That the kernels of a pattern match the oracle; an AssertionError where they do not."""
    import torch

    from maskc.testing import Call, assert_matches_dense

    n = min(MOST_CHECKED, *options.tokens)
    arguments = arguments_for(pattern, n, options.kv_heads, "cpu", options.tiny)
    inputs = {declared.name: arguments.pop(declared.name) for declared in pattern.spec.inputs}
    call = Call(
        n_q=n,
        n_k=n,
        heads=options.heads,
        kv_heads=options.kv_heads,
        head_dim=options.dim,
        value_dim=options.dim,
        dtype=options.dtype,
        params=arguments,
        inputs={name: labels.tolist() for name, labels in inputs.items()},
        poison=True,
        seed=0 if options.tiny else time.time_ns() % 2**31,
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.empty(1, device=device).isnan().all(), "unwritten memory is NaN here"
    assert_matches_dense(pattern, call, "triton", device=device)
    torch.use_deterministic_algorithms(False)
    return _row(pattern.__name__, n, "float64 oracle", {**NOTHING, "note": "matches"}, 1.0)


def _of_pattern(pattern: Any, arguments: dict[str, Any], qkv: tuple) -> Iterator[dict[str, Any]]:
    import torch

    q, k, v = qkv
    n = q.shape[2]
    sizes = {"heads": q.shape[1], "kv_heads": k.shape[1], "device": q.device}
    density = pattern.layout(n, **sizes, **arguments).density

    def ours() -> Any:
        return pattern(q, k, v, backend="triton", **arguments)

    yield _row(pattern.__name__, n, "maskc", _times(ours, qkv), density)
    try:
        flex = _flex(pattern, arguments, qkv)
        with torch.no_grad():
            error = (flex().float() - ours().float()).abs().max().item()
    except Exception as failure:  # what a peer cannot do is a result
        yield _row(
            pattern.__name__, n, "flex_attention", {**NOTHING, "note": _why(failure)}, density
        )
        return
    times = _times(flex, qkv)
    times["note"] = f"differs from maskc by {error:.1e} {times['note']}".strip()
    yield _row(pattern.__name__, n, "flex_attention", times, density)


def arguments_for(pattern: Any, n: int, kv_heads: int, device: str, tiny: bool) -> dict[str, Any]:
    """What an example wants beside q, k, v: documents of 1,500 tokens, half of the heads full."""
    import torch

    spec = pattern.spec
    arguments: dict[str, Any] = {}
    for declared in spec.params:
        if declared.axes == ("kv_head",):
            arguments[declared.name] = [head % 2 == 0 for head in range(kv_heads)]
        elif tiny and declared.name in TINY_PARAMS:
            arguments[declared.name] = TINY_PARAMS[declared.name]
    for declared in spec.inputs:
        labels = torch.arange(n, device=device) // (16 if tiny else MEAN_DOCUMENT)
        arguments[declared.name] = labels[None].contiguous()
    return arguments


def _flex(pattern: Any, arguments: dict[str, Any], qkv: tuple) -> Callable[[], Any]:
    import torch
    from torch.nn.attention.flex_attention import flex_attention

    q, k, v = qkv
    sizes = {"heads": q.shape[1], "kv_heads": k.shape[1], "device": q.device}
    mask = pattern.block_mask(q.shape[2], **sizes, **arguments)
    if q.is_cuda:
        flex = torch.compile(flex_attention, dynamic=False)
    else:
        # On a CPU it has no backward pass, and says so of any input that wants one.
        q, k, v = (x.detach().repeat_interleave(q.shape[1] // x.shape[1], 1) for x in qkv)
        flex = flex_attention
    return lambda: flex(q, k, v, block_mask=mask, enable_gqa=q.shape[1] != k.shape[1])


def _dense_peers() -> dict[str, Callable[..., Any]]:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention

    def by(backend: Any) -> Callable[..., Any]:
        def attend(q: Any, k: Any, v: Any) -> Any:
            with sdpa_kernel(backend):
                return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

        return attend

    return {
        "sdpa flash": by(SDPBackend.FLASH_ATTENTION),
        "sdpa cudnn": by(SDPBackend.CUDNN_ATTENTION),
    }


def _times(attend: Callable[[], Any], leaves: tuple) -> dict[str, Any]:
    """Milliseconds of forward, and of backward alone; None, and why, where it does not run."""
    import torch

    times = dict(NOTHING)
    on_gpu = leaves[0].is_cuda
    try:
        with torch.no_grad():
            attend()
            times["forward_ms"] = _milliseconds(attend, on_gpu)
        out = attend()
        gradient = torch.randn_like(out)

        def backward() -> Any:
            return torch.autograd.grad(out, leaves, gradient, retain_graph=True)

        backward()
        times["backward_ms"] = _milliseconds(backward, on_gpu)
    except Exception as failure:  # what a peer cannot do is a result
        times["note"] = _why(failure)
    return times


def _why(failure: Exception) -> str:
    return f"{type(failure).__name__}: {failure}".splitlines()[0][:160]


def _milliseconds(run: Callable[[], Any], on_gpu: bool) -> float:
    if on_gpu:
        from triton.testing import do_bench

        return float(do_bench(run, warmup=50, rep=200, return_mode="median"))
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def _row(pattern: str, n: int, peer: str, times: dict[str, Any], density: float) -> dict[str, Any]:
    return {"pattern": pattern, "tokens": n, "peer": peer, "density": density, **times}


def machine() -> dict[str, Any]:
    """What the figures were measured on and with."""
    import torch
    import triton

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        device = f"{properties.name}, {properties.multi_processor_count} SMs"
    else:
        device = f"{platform.machine()} CPU, interpreted"
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=EXAMPLES, capture_output=True, text=True
    ).stdout.strip()
    return {
        "device": device,
        "torch": torch.__version__,
        "triton": triton.__version__,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "python": platform.python_version(),
        "commit": commit or None,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _shown(milliseconds: float | None) -> str:
    return f"{milliseconds:12.3f}" if milliseconds is not None else f"{'-':>12}"
