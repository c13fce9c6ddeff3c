"""Layouts already built: one call of a pattern is mostly like the last one."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field, replace
from threading import Lock

import torch

from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.layout import Layout
from maskc.codegen.runtime.subdivide import build_layout

MOST_KEPT = 32
"""Layouts of one pattern that are kept."""

MOST_BYTES = 1 << 28
"""Bytes that they and the copies of their inputs may have together; the last one always stays."""

SAME_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, slots=True)
class Identity:
    """Which tensor it was and in which state, without keeping it alive."""

    tensor: weakref.ref[torch.Tensor]
    state: tuple[object, ...]

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Identity | None:
        """The identity of a tensor; None where torch does not count its changes.

        Memory of the CPU is shared with numpy, whose changes torch does not count either.
        """
        if tensor.device.type == "cpu" or tensor.is_inference():
            return None
        return cls(weakref.ref(tensor), _state(tensor))

    def still(self, tensor: torch.Tensor) -> bool:
        """Whether this is that tensor, unchanged."""
        return self.tensor() is tensor and self.state == _state(tensor)


@dataclass(slots=True)
class Kept:
    """A layout with all that it depends on.

    `key`: lengths, parameters and tile. `copies`: the inputs' entries when it was built. `known`:
    tensors that are known to hold the same entries.
    """

    key: tuple[object, ...]
    copies: dict[str, torch.Tensor]
    layout: Layout
    known: dict[str, Identity | None] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of the layout, of its plan for the torch back end and of the copies."""
        copied = sum(x.numel() * x.element_size() for x in self.copies.values())
        plan = self.layout._known.get("torch plan")
        return self.layout.nbytes + copied + (plan.nbytes if plan else 0)

    def is_of(self, inputs: dict[str, torch.Tensor]) -> bool:
        """Whether these are the very tensors, unchanged; this reads no entry."""
        found = (self.known.get(name) for name in inputs)
        return all(
            identity is not None and identity.still(tensor)
            for identity, tensor in zip(found, inputs.values(), strict=True)
        )

    def equals(self, inputs: dict[str, torch.Tensor]) -> bool:
        """Whether these tensors have the same entries, bit for bit."""
        return all(_same_bits(copy, inputs[name]) for name, copy in self.copies.items())


class LayoutCache:
    """The layouts last used, by everything that they depend on.

    Runtime inputs are kept as copies. A tensor that was seen before and that no operation has
    changed since is known again without reading it, on a GPU without waiting for it; others are
    compared entry by entry. Changes that torch does not count (through `.data`, or by kernels of
    others) want a `clear()` on a GPU.
    """

    def __init__(self) -> None:
        self._kept: list[Kept] = []
        self._lock = Lock()

    def clear(self) -> None:
        """Forget all layouts."""
        with self._lock:
            self._kept.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of all layouts kept, with their plans and the copies of their inputs."""
        with self._lock:
            return sum(kept.nbytes for kept in self._kept)

    def layout(self, spec: Spec, call: Call, block: tuple[int, int]) -> Layout:
        """The layout of this call, built if it is not at hand."""
        names = spec.mask_inputs
        if names is None:
            names = tuple(declared.name for declared in spec.inputs)
        inputs = {name: call.tensors[name] for name in names}
        key = (
            *(block, call.n_q, call.n_k, call.batches, call.heads, call.kv_heads),
            *(call.layer, call.n_layers, str(call.device), call.tables),
            *(tuple(call.params.items()), tuple(call.sizes.items())),
        )
        with self._lock:
            alike = [kept for kept in self._kept if kept.key == key]
        found = next((kept for kept in alike if kept.is_of(inputs)), None)
        found = found or next((kept for kept in alike if kept.equals(inputs)), None)
        found = found or _built(spec, call, block, key, inputs)
        found.known = {name: Identity.of(tensor) for name, tensor in inputs.items()}
        self._put_last(found)
        return found.layout

    def _put_last(self, used: Kept) -> None:
        """Keep what was just used, and forget what was used longest ago, down to the limits."""
        with self._lock:
            rest = [kept for kept in self._kept if kept is not used]
            left = MOST_BYTES - used.nbytes
            newest = [used]
            for kept in reversed(rest[-(MOST_KEPT - 1) :]):
                left -= kept.nbytes
                if left < 0:
                    break
                newest.append(kept)
            self._kept = newest[::-1]


def _built(
    spec: Spec,
    call: Call,
    block: tuple[int, int],
    key: tuple[object, ...],
    inputs: dict[str, torch.Tensor],
) -> Kept:
    copies = {name: tensor.detach().clone() for name, tensor in inputs.items()}
    # Not the score's inputs: a layout outlives the call, and would keep their graphs alive.
    given = {declared.name for declared in spec.inputs}
    tensors = {name: x for name, x in call.tensors.items() if name not in given}
    return Kept(
        key, copies, build_layout(spec, replace(call, tensors={**tensors, **copies}), block)
    )


def _state(tensor: torch.Tensor) -> tuple[object, ...]:
    return (
        *(tensor.data_ptr(), tensor._version, tuple(tensor.shape), tensor.stride()),
        *(tensor.dtype, tensor.device),
    )


def _same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors hold the same bits; NaN equals itself here."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    bits = SAME_BITS[a.element_size()]
    return torch.equal(a.view(bits), b.detach().view(bits))
