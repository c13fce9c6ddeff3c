"""The public object of a pattern: exact attention under its mask, and the mask's other forms."""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Callable
from typing import Any

import torch

from maskc.codegen.runtime.arguments import (
    check_qkv,
    checked_block,
    checked_bool,
    checked_count,
    checked_scale,
)
from maskc.codegen.runtime.binding import bind
from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.dense import attend_dense, dense_mask_of
from maskc.codegen.runtime.layout import Layout
from maskc.codegen.runtime.layout_cache import LayoutCache
from maskc.codegen.runtime.torch_backend import attend_torch, trained_inputs
from maskc.codegen.runtime.torch_plan import TORCH_BLOCK
from maskc.codegen.runtime.triton_backend import attend_triton

BACKENDS = ("auto", "triton", "torch", "dense")


class Attention:
    """Exact softmax attention under the mask of one pattern.

    Call it as a function of q, k and v; ask it for `dense_mask`, `layout`, `block_mask` or
    `explain`. `spec` holds the pattern's declarations, `layouts` the layouts last built.

    All of these take as keywords the pattern's parameters and inputs by name, and what else the
    mask depends on:
        layer: index of the layer; n_layers: their number.
        grid: free extents of a grid, where the pattern has one.
        segments: free lengths of segments, by name.
        inputs: the pattern's inputs in one dict by name.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.__name__ = self.__qualname__ = spec.name
        self.__doc__ = spec.doc or f"Exact softmax attention under the mask `{spec.name}`."
        self.layouts = LayoutCache()

    def __call__(
        self,
        /,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        *,
        scale: float | None = None,
        return_lse: bool = False,
        backend: str = "auto",
        block: tuple[int, int] | int | None = None,
        **arguments: Any,
    ) -> Any:
        """Attention of q to the keys that the mask keeps.

        Differentiable in q, k, v, and in the float inputs of `score` and `sink_logit`. Under
        `torch.compile` the graph ends before the call and begins anew after it.

        Args:
            q: [batch, heads, n_q, head_dim], bfloat16, float16, float32, or float64 (not in
                Triton); any strides. On "meta" only shapes are made.
            k: [batch, kv_heads, n_k, head_dim]; heads is a multiple of kv_heads.
            v: [batch, kv_heads, n_k, value_dim].
            scale: factor on q . k, None for 1 / sqrt(head_dim).
            return_lse: also give the log-sum-exp of each row.
            backend: "auto" is "triton" on a GPU (but "torch" for float64) and "torch" elsewhere;
                "dense" holds the whole matrix.
            block: tile of the layout, None for what suits the back end.
            **arguments: as the class says.

        Returns:
            `out` [batch, heads, n_q, value_dim], 0 in rows without keys; with `return_lse` the
            pair (out, lse), `lse` [batch, heads, n_q] in float32 (float64 for float64), there
            -inf.

        Raises:
            TypeError: naming the argument of a wrong type.
            ValueError: naming tensor, axis, wanted and got.

        """
        if torch.compiler.is_dynamo_compiling():
            more = {"scale": scale, "return_lse": return_lse, "backend": backend, "block": block}
            return _untraced(type(self))(self, q, k, v, **more, **arguments)
        check_qkv(q, k, v)
        scale = checked_scale(scale, q.shape[-1])
        return_lse = checked_bool("return_lse", return_lse)
        backend = self._backend(backend, q)
        own = TORCH_BLOCK if backend == "torch" else self.spec.block
        tile = own if block is None else checked_block(block)
        call = bind(
            self.spec,
            arguments,
            n_q=q.shape[2],
            n_k=k.shape[2],
            batches=q.shape[0],
            heads=q.shape[1],
            kv_heads=k.shape[1],
            device=q.device,
        )
        out, lse = self._attend(q, k, v, call, scale, backend, tile)
        return (out, lse) if return_lse else out

    def oracle(self, /, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **arguments: Any) -> Any:
        """What the call would give in exact arithmetic, nearly: dense, float64, on the CPU.

        Args:
            q: as in a call; so are k, v and all keywords.
            k: see q.
            v: see q.
            **arguments: keywords of a call; `backend` has no meaning here.

        """
        check_qkv(q, k, v)
        arguments = {name: _on_cpu(value) for name, value in arguments.items() if name != "backend"}
        q, k, v = (x.to("cpu", torch.float64) for x in (q, k, v))
        return self(q, k, v, backend="dense", **arguments)

    def bind(
        self,
        /,
        n_q: int,
        n_k: int | None = None,
        *,
        batch: int = 1,
        heads: int = 1,
        kv_heads: int | None = None,
        device: torch.device | str = "cpu",
        **arguments: Any,
    ) -> Call:
        """The checked arguments of one call, as the generated functions read them.

        Args:
            n_q: number of query rows.
            n_k: number of keys, None for n_q.
            batch: number of batches.
            heads: number of query heads.
            kv_heads: number of key heads, None for `heads`.
            device: where the result is made; inputs are brought there.
            **arguments: as the class says.

        """
        n_q = checked_count("n_q", n_q)
        n_k = n_q if n_k is None else checked_count("n_k", n_k)
        heads = checked_count("heads", heads, 1)
        kv_heads = heads if kv_heads is None else checked_count("kv_heads", kv_heads, 1)
        if heads % kv_heads:
            raise ValueError(f"kv_heads is {kv_heads}; heads is {heads}: wanted a divisor of it")
        return bind(
            self.spec,
            arguments,
            n_q=n_q,
            n_k=n_k,
            batches=checked_count("batch", batch),
            heads=heads,
            kv_heads=kv_heads,
            device=_device(device),
            move=True,
        )

    def dense_mask(self, /, n_q: int, n_k: int | None = None, **arguments: Any) -> torch.Tensor:
        """The mask, bool [batch, heads, n_q, n_k]; slices that cannot differ share memory.

        Args:
            n_q: number of query rows.
            n_k: number of keys, None for n_q.
            **arguments: as in `bind`.

        """
        return dense_mask_of(self.spec, self.bind(n_q, n_k, **arguments))

    def layout(
        self,
        /,
        n_q: int,
        n_k: int | None = None,
        *,
        block: tuple[int, int] | int = (128, 128),
        **arguments: Any,
    ) -> Layout:
        """The layout of the mask for tiles of `block` = (queries, keys).

        Args:
            n_q: number of query rows.
            n_k: number of keys, None for n_q.
            block: size of a tile.
            **arguments: as in `bind`.

        """
        block = checked_block(block)
        return self._layout_of(self.bind(n_q, n_k, **arguments), block)

    def block_mask(
        self,
        /,
        n_q: int,
        n_k: int | None = None,
        *,
        block: tuple[int, int] | int = (128, 128),
        **arguments: Any,
    ) -> Any:
        """A `torch.nn.attention.flex_attention.BlockMask` with `mask_mod`.

        Args:
            n_q: number of query rows.
            n_k: number of keys, None for n_q.
            block: size of a tile, the BLOCK_SIZE of the result.
            **arguments: as in `bind`.

        """
        block = checked_block(block)
        call = self.bind(n_q, n_k, **arguments)
        keep = self.spec.keep

        def mask_mod(
            b: torch.Tensor, h: torch.Tensor, q_row: torch.Tensor, k_pos: torch.Tensor
        ) -> torch.Tensor:
            kept = keep(q_row + call.q_start, k_pos, call.at(b, h))
            return torch.as_tensor(kept, device=k_pos.device)

        layout = self._layout_of(call, block)
        return layout.to_block_mask(mask_mod)

    def explain(
        self,
        /,
        n_q: int,
        n_k: int | None = None,
        *,
        head_dim: int | None = None,
        value_dim: int | None = None,
        block: tuple[int, int] | int | None = None,
        device: torch.device | str = "cpu",
        **arguments: Any,
    ) -> dict[str, Any]:
        """What a call costs, as plain numbers: tiles, density, amplification, bytes, FLOPs.

        Args:
            n_q: number of query rows.
            n_k: number of keys, None for n_q.
            head_dim: of q and k, for the FLOPs of one forward, None for 64. Where the spec has a
                parameter or input of this name, it is that one's value, as in a call.
            value_dim: of v, None for head_dim; likewise.
            block: size of a tile, None for the one that such a call takes.
            device: where the call would run, "cuda" also where there is none.
            **arguments: as in `bind`.

        """
        on_gpu = str(device).split(":")[0] == "cuda"
        own = self.spec.block if on_gpu else TORCH_BLOCK
        tile = own if block is None else checked_block(block)
        own_names = {part.name for part in (*self.spec.params, *self.spec.inputs)}
        if head_dim is not None and "head_dim" in own_names:
            head_dim, arguments["head_dim"] = None, head_dim
        if value_dim is not None and "value_dim" in own_names:
            value_dim, arguments["value_dim"] = None, value_dim
        head_dim = checked_count("head_dim", 64 if head_dim is None else head_dim, 1)
        value_dim = head_dim if value_dim is None else checked_count("value_dim", value_dim, 1)
        call = self.bind(n_q, n_k, **arguments)
        layout = self._layout_of(call, tile)
        told = layout.explain()
        for_a_pair = 2 * (head_dim + value_dim)
        pairs = told["batches"] * told["heads"] * told["n_q"] * told["n_k"]
        reason = "tensors on a GPU run Triton kernels" if on_gpu else "no GPU: block-sparse torch"
        if on_gpu and (trained := trained_inputs(self.spec, call)):
            reason += f"; the backward pass, for {', '.join(trained)}, is block-sparse torch"
        return {
            **told,
            "FLOPs": for_a_pair * layout.computed_pairs,
            "dense FLOPs": for_a_pair * pairs,
            "back end": "triton" if on_gpu else "torch",
            "why": reason,
        }

    def _layout_of(self, call: Call, tile: tuple[int, int]) -> Layout:
        if call.device.type == "meta":
            raise ValueError("device is meta; a layout wants one where tensors have values")
        return self.layouts.layout(self.spec, call, tile)

    def __repr__(self) -> str:
        """Name, parameters with their defaults, and inputs."""
        parts = [
            f"{p.name}={p.default!r}" if p.default is not None else p.name for p in self.spec.params
        ]
        parts += [f"{i.name}: {i.type}[{len(i.axes)} axes]" for i in self.spec.inputs]
        return f"<attention {self.spec.name}({', '.join(parts)})>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by the module that holds the pattern."""
        return find_attention, (self.spec.keep.__module__, self.spec.name)

    def __copy__(self) -> Attention:
        """Itself: nothing of it changes but the layouts it keeps."""
        return self

    def __deepcopy__(self, known: dict[int, Any]) -> Attention:
        """Itself, as `__copy__`."""
        return self

    def _attend(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        call: Call,
        scale: float,
        backend: str,
        tile: tuple[int, int],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`out` in the dtype of q, and `lse`, of checked arguments."""
        dtype, sinks = q.dtype, self.spec.sinks
        if call.device.type == "meta":
            return _attend_nothing(q, k, v)
        if sinks is not None and backend != "triton":
            # Sinks scale the output: it is rounded once, after that.
            q, k, v = (x.to(torch.promote_types(dtype, torch.float32)) for x in (q, k, v))
        if not (call.batches and call.n_q and call.n_k):
            out, lse = _attend_nothing(q, k, v)
        elif backend == "dense":
            out, lse = attend_dense(q, k, v, call, self.spec, scale)
        else:
            layout = self._layout_of(call, tile)
            attend = attend_triton if backend == "triton" else attend_torch
            out, lse = attend(q, k, v, layout, call, self.spec, scale)
        if sinks is not None:
            out, lse = sinks.join(out, lse, call)
        return out.to(dtype), lse

    def _backend(self, backend: str, q: torch.Tensor) -> str:
        """The back end taken, or an error where it cannot run."""
        if backend not in BACKENDS:
            near = difflib.get_close_matches(str(backend), BACKENDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"backend is {backend!r}; wanted one of {BACKENDS}{hint}")
        double = q.dtype == torch.float64
        if backend == "auto":
            return "triton" if q.is_cuda and not double else "torch"
        if backend == "triton" and double:
            raise TypeError("q has dtype torch.float64; wanted at most 32 bits in Triton kernels")
        interpreted = os.environ.get("TRITON_INTERPRET") == "1"
        if backend == "triton" and not q.is_cuda and not interpreted:
            raise ValueError(
                f"q is on {q.device}; backend='triton' wants a GPU (or TRITON_INTERPRET=1)"
            )
        return backend


def _untraced(attention: type[Attention]) -> Callable[..., Any]:
    """The call of the class, from now on in no graph of `torch.compile`: tracing takes minutes."""
    reason = "the layout of a mask is made outside of graphs"
    untraced = torch.compiler.disable(attention.__call__, reason=reason)
    setattr(attention, "__call__", untraced)  # noqa: B010
    return untraced


def find_attention(module: str, name: str) -> Attention:
    """The pattern `name` of an importable module; what a pickled pattern becomes."""
    loaded = importlib.import_module(module)
    found = getattr(loaded, "PATTERNS", None) or vars(loaded)
    for value in found.values():
        if type(value).__name__ == "Attention" and value.spec.name == name:
            return value
    raise AttributeError(f"module {module} has no pattern {name}")


def _attend_nothing(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Zeros and -inf, where there is no pair, or none with values; gradients are zeros too."""
    graph = sum(x[..., :0].sum() for x in (q, k, v))
    shape = (*q.shape[:3], v.shape[3])
    lse_dtype = torch.promote_types(q.dtype, torch.float32)
    out = torch.zeros(shape, dtype=q.dtype, device=q.device) + graph
    return out, torch.full(shape[:3], -torch.inf, dtype=lse_dtype, device=q.device)


def _device(device: torch.device | str) -> torch.device:
    """The device as tensors have it, with its index, checked to be there."""
    try:
        return torch.empty(0, device=torch.device(device)).device
    except (RuntimeError, TypeError, AssertionError, NotImplementedError):
        raise ValueError(f"device is {device!r}; wanted one that torch has here") from None


def _on_cpu(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _on_cpu(entry) for name, entry in value.items()}
    return value.cpu() if isinstance(value, torch.Tensor) else value
