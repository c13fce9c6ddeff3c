"""The Triton back end: a pattern's kernels on a layout, with gradients."""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch

from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.layout import Layout, Runs
from maskc.codegen.runtime.tiles import LEAST_TILE, Tile, run_fastest, tiles, within
from maskc.codegen.runtime.torch_backend import attend_torch, trained_inputs
from maskc.codegen.runtime.triton_import import tl, triton

MOST_HEAD_DIM = 256
MOST_INT32 = 2**31 - 1
KERNEL_DTYPES = (torch.bfloat16, torch.float16, torch.float32)

TUNED = os.environ.get("MASKC_TUNE") != "0"
"""Whether the first call of each shape on a GPU times the tiles of its kernels."""


def attend_triton(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    layout: Layout,
    call: Call,
    spec: Spec,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention by Triton kernels that walk the layout; differentiable in q, k and v.

    Where an input of the score requires a gradient too, the backward pass is that of torch.

    Args:
        q: [batch, heads, n_q, head_dim], any strides, 16- or 32-bit.
        k: [batch, kv_heads, n_k, head_dim].
        v: [batch, kv_heads, n_k, value_dim].
        layout: of the same call, on the same device; both sides of its block have a power of two
            of at least 16 as a factor.
        call: of the same shapes.
        spec: what is computed.
        scale: factor on q . k.

    Returns:
        `out` [batch, heads, n_q, value_dim], 0 in rows without keys, fp32 where sinks will scale
        it; `lse` fp32 [batch, heads, n_q], there -inf.

    Raises:
        ImportError: where Triton is not installed.
        ValueError: naming what the kernels cannot do.

    """
    if isinstance(triton, SimpleNamespace):
        raise ImportError("backend='triton' wants the package triton, which is not installed")
    if q.dtype not in KERNEL_DTYPES:
        raise TypeError(f"q has dtype {q.dtype}; wanted at most 32 bits in Triton kernels")
    for name, x in (("q", q), ("v", v)):
        if x.shape[-1] > MOST_HEAD_DIM:
            raise ValueError(
                f"{name} has head dim {x.shape[-1]}; wanted at most {MOST_HEAD_DIM} in kernels"
            )
    if min(_power_of_two_in(side) for side in layout.block) < LEAST_TILE:
        raise ValueError(f"block is {layout.block}; wanted multiples of {LEAST_TILE} in kernels")
    if trained := trained_inputs(spec, call):
        warnings.warn(
            f"the gradient of input {trained[0]} runs in block-sparse torch, not in a kernel",
            stacklevel=3,
        )
        with torch.no_grad():
            results = attend_triton(q, k, v, layout, call, spec, scale)
        return attend_torch(q, k, v, layout, call, spec, scale, results)
    # Kernels want a positive scale, so that the greatest q . k has the greatest logit.
    if scale == 0:
        q, scale = q * 0.0, 1.0
    elif scale < 0:
        q, scale = -q, -scale
    if q.dtype == torch.bfloat16 and q.device.type == "cpu":
        # Triton's interpreter multiplies the bits of bfloat16 numbers as if they were ints.
        out, lse = _Attend.apply(q.float(), k.float(), v.float(), layout, call, spec, scale)
        return out if spec.sinks is not None else out.to(q.dtype), lse
    return _Attend.apply(q, k, v, layout, call, spec, scale)


class _Attend(torch.autograd.Function):
    """Forward and backward kernels as one differentiable function."""

    @staticmethod
    def forward(
        ctx: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        layout: Layout,
        call: Call,
        spec: Spec,
        scale: float,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        launch = _Launch(q, k, v, layout, call, spec, scale)
        out = _beside(q, (*q.shape[:3], v.shape[3]), torch.float32 if spec.sinks else None)
        lse = torch.empty(q.shape[:3], dtype=torch.float32, device=q.device)
        top = torch.empty_like(lse)
        total = torch.empty_like(lse) if q.dtype == torch.float32 else top
        launch.run(
            "forward",
            layout.rows,
            {"lse_ptr": lse, "top_ptr": top, "total_ptr": total},
            {"q": q, "k": k, "v": v, "out": out},
            static=("k", "v"),
        )
        ctx.save_for_backward(q, k, v, out, top, total)
        ctx.launch = (layout, call, spec, scale)
        ctx.set_materialize_grads(False)
        return out, lse

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> Any:  # pyright: ignore
        q, k, v, out, top, total = ctx.saved_tensors
        dout, dlse = gradients
        if dout is None and dlse is None:
            return (None,) * 7
        layout = ctx.launch[0]
        launch = _Launch(q, k, v, *ctx.launch)
        if q.dtype == torch.float32:
            # The weights are exp2(s - top) / total: whole rows are divided before they are used.
            dout = None if dout is None else dout / total[..., None]
            dlse = None if dlse is None else dlse / total
        dout = None if dout is None else dout.to(q.dtype)
        delta = launch.row_delta(out, dout, dlse)
        if dout is None:
            dout = q.new_zeros(()).expand(out.shape)
        vectors = {"top_ptr": top, "delta_ptr": delta}
        given = {"q": q, "k": k, "v": v, "dout": dout}
        dq = dk = dv = None
        if ctx.needs_input_grad[0]:
            dq = _beside(q, q.shape)
            launch.run("dq", layout.rows, vectors, {**given, "dq": dq}, static=("k", "v"))
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            dk, dv = _beside(k, k.shape), _beside(v, v.shape)
            made = {**given, "dk": dk, "dv": dv}
            launch.run("dkdv", layout.columns, vectors, made, static=("q", "dout"))
        return dq, dk, dv, None, None, None, None


class _Launch:
    """What all kernels of one call share, and how one of them runs."""

    def __init__(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        layout: Layout,
        call: Call,
        spec: Spec,
        scale: float,
    ) -> None:
        self.layout, self.call, self.spec = layout, call, spec
        self.device, self.dtype = q.device, q.dtype
        dims = q.shape[3], v.shape[3]
        pads = tuple(max(LEAST_TILE, 1 << (dim - 1).bit_length()) for dim in dims)
        self.pads, self.pad = pads, max(pads)
        self.shared = {
            "scale": scale,
            "n_q": call.n_q,
            "n_k": call.n_k,
            "q_start": call.q_start,
            "heads": call.heads,
            "kv_heads": call.kv_heads,
            "class_ptr": layout.class_of.contiguous(),
            **spec.kernels["arguments"](call),
            **dict(zip(("D", "DV", "D_PAD", "DV_PAD"), (*dims, *pads), strict=True)),
            "LAYOUT_Q": layout.block[0],
            "LAYOUT_K": layout.block[1],
            "SPLIT": q.dtype == torch.float32,
            "PRECISION": "ieee" if q.dtype == torch.float32 else "tf32",
            "POSITION": tl.int64 if _is_wide(spec, call) else tl.int32,
        }

    def run(
        self,
        name: str,
        runs: Runs,
        vectors: dict[str, torch.Tensor],
        tensors: dict[str, torch.Tensor],
        static: tuple[str, str],
    ) -> None:
        """Run kernel `name` once, and once more where its result is not finite.

        Args:
            name: "forward", "dq" or "dkdv".
            runs: of the layout, in the direction the kernel walks.
            vectors: contiguous tensors by the names of their pointers.
            tensors: four-dimensional ones by the names their pointers and strides start with.
            static: those of `tensors` that the kernel reads in its inner loop.

        """
        arguments = {**self.shared, **vectors}
        keys = ("partial_start", "partial", "full_start", "full")
        arguments.update(zip(keys, runs.arrays, strict=True))
        for prefix, x in tensors.items():
            arguments[f"{prefix}_ptr"] = x
            for axis, stride in zip("bhnd", x.stride(), strict=True):
                arguments[f"{prefix}_stride_{axis}"] = stride
        for prefix in static:
            arguments[f"{prefix.upper()}_STRIDE"] = _static_stride(tensors[prefix])
        reach = max(abs(s) for x in tensors.values() for s in x.stride()[2:])
        arguments["OFFSET"] = tl.int64 if reach * 512 > MOST_INT32 else tl.int32
        key = (name, self.spec.name, str(self.device), self.dtype, self.pads, *self._shape())

        def run(tile: Tile) -> None:
            self._run_with(tile, name, arguments, runs)

        run_fastest(key, self._tiles(name), run, _timer(self.device))

    def _run_with(self, tile: Tile, name: str, arguments: dict[str, Any], runs: Runs) -> None:
        call, kernel = self.call, self.spec.kernels[name]
        if name == "dkdv":
            programs = -(-call.n_k // tile.k) * call.kv_heads * call.batches
            whole = {"EVEN_Q": call.n_q % tile.q == 0}
        else:
            programs = -(-call.n_q // tile.q) * call.heads * call.batches
            whole = {"EVEN_K": call.n_k % tile.k == 0}
        if programs > MOST_INT32:
            raise ValueError(f"q has {call.n_q} tokens; {name} wants at most 2^31 tiles of q")
        arguments = {**arguments, **whole, "BLOCK_Q": tile.q, "BLOCK_K": tile.k}
        arguments["poisoned_ptr"] = torch.empty(programs, dtype=torch.int32, device=self.device)
        with _on(self.device):
            kernel[(programs,)](
                **arguments,
                CAREFUL=False,
                num_warps=tile.warps,
                num_stages=tile.stages,
                enable_fp_fusion=True,
            )
            # The slope of a score may be NaN past the end of a short last tile.
            is_short = self.spec.score is not None and not all(whole.values())
            if runs.partial.numel() or is_short:
                kernel[(programs,)](
                    **arguments,
                    CAREFUL=True,
                    num_warps=tile.warps,
                    num_stages=1,
                    enable_fp_fusion=True,
                )

    def row_delta(
        self,
        out: torch.Tensor,
        dout: torch.Tensor | None,
        dlse: torch.Tensor | None,
    ) -> torch.Tensor:
        """What the backward kernels take from dp of each row, fp32 [batches, heads, n_q]."""
        delta = torch.empty(out.shape[:3], dtype=torch.float32, device=out.device)
        strides = {}
        for prefix, x in (("out", out), ("dout", out if dout is None else dout)):
            for axis, stride in zip("bhnd", x.stride(), strict=True):
                strides[f"{prefix}_stride_{axis}"] = stride
        rows = 32 if self.pad > 64 else 64
        programs = -(-self.call.n_q // rows) * self.call.heads * self.call.batches
        with _on(self.device):
            self.spec.kernels["row_delta"][(programs,)](
                out_ptr=out,
                dout_ptr=out if dout is None else dout,
                dlse_ptr=delta if dlse is None else dlse.contiguous(),
                delta_ptr=delta,
                **strides,
                n_q=self.call.n_q,
                heads=self.call.heads,
                DV=self.shared["DV"],
                DV_PAD=self.shared["DV_PAD"],
                BLOCK_Q=rows,
                HAS_DOUT=dout is not None,
                HAS_DLSE=dlse is not None,
                num_warps=4,
                enable_fp_fusion=True,
            )
        return delta

    def _tiles(self, name: str) -> list[Tile]:
        """The tiles to try, cut to what divides the layout's and to what the call fills."""
        bits, (block_q, block_k) = torch.finfo(self.dtype).bits, self.layout.block
        n_q = min(_power_of_two_in(block_q), _covering(self.call.n_q))
        n_k = min(_power_of_two_in(block_k), _covering(self.call.n_k))
        known = tiles(name, _arch(self.device), bits, self.pad, self.spec.halvings)
        return list(dict.fromkeys(within(tile, n_q, n_k) for tile in known))

    def _shape(self) -> tuple[int, ...]:
        """What makes two calls alike for the choice of a tile."""
        call, log = self.call, int.bit_length
        n_runs = len(self.layout.rows.partial) + len(self.layout.rows.full)
        parts = call.n_q, call.n_k, call.heads * call.batches, n_runs
        return (*self.layout.block, *(log(part) for part in parts))


def _timer(device: torch.device) -> Callable[[Callable[[], None]], float] | None:
    """What measures a launch on `device`; None where it takes the default tile."""
    if device.type == "cpu" or not TUNED or torch.cuda.is_current_stream_capturing():
        return None

    def milliseconds(run: Callable[[], None]) -> float:
        with _on(device):
            taken: Any = triton.testing.do_bench(run, 5, 30, return_mode="median")
            return float(taken)

    return milliseconds


def _arch(device: torch.device) -> str:
    """The family of tile sizes for a device."""
    if device.type != "cuda":
        return "sm80"
    if torch.version.hip is not None:
        return "gfx9"
    return {9: "sm90", 10: "sm100"}.get(torch.cuda.get_device_capability(device)[0], "sm80")


@contextlib.contextmanager
def _on(device: torch.device) -> Iterator[None]:
    """The context in which Triton launches on `device`."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            yield
    else:
        # The interpreter warns of NaN and infinity, which GPUs take without a word, and of what
        # older ones ask of numpy.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield


def _is_wide(spec: Spec, call: Call) -> bool:
    """Whether mask arithmetic may leave 32 bits."""
    if spec.span is None:
        return False
    span = spec.span(call.q_start, call.q_start + call.n_q - 1, 0, call.n_k - 1, call)
    return span > MOST_INT32


def _static_stride(x: torch.Tensor) -> int | None:
    """The stride between rows, where compiling it in is worth it: the same model has few."""
    row, inner = x.stride()[2:]
    return row if inner == 1 and 0 < row <= 2**20 and row % 8 == 0 else None


def _beside(like: torch.Tensor, shape: Any, dtype: torch.dtype | None = None) -> torch.Tensor:
    """An unwritten tensor of `shape`, its axes in memory ordered as those of `like`."""
    dtype = dtype or like.dtype
    order = sorted(range(4), key=lambda axis: (-like.stride(axis), axis))
    if order[-1] != 3 or math.prod(shape) == 0:
        return like.new_empty(shape, dtype=dtype)
    strides = [1] * 4
    for outer, inner in zip(order[-2::-1], order[:0:-1], strict=True):
        strides[outer] = strides[inner] * shape[inner]
    return torch.empty_strided(shape, strides, dtype=dtype, device=like.device)


def _power_of_two_in(number: int) -> int:
    """The greatest power of two that divides `number`."""
    return number & -number


def _covering(n: int) -> int:
    """The least tile that covers n tokens."""
    return max(LEAST_TILE, 1 << (n - 1).bit_length())
