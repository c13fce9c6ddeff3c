"""Models with patterns inside, under `torch.compile`."""

from __future__ import annotations

import pytest
import torch
from torch._dynamo.utils import counters

import maskc

MASK = """
pattern near(window: int >= 1 = 64) {
    input doc: int[batch, key]
    mask causal & recent(window) & doc[batch, q] == doc[batch, k]
}
"""


# torch hides this warning of its own, unless warnings are errors.
HIDDEN = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
pytestmark = [pytest.mark.slow, HIDDEN]


class Block(torch.nn.Module):
    """Self-attention between two projections; compiling it makes a graph of each."""

    def __init__(self) -> None:
        super().__init__()
        self.near = maskc.loads(MASK).near
        self.qkv = torch.nn.Linear(32, 96)
        self.out = torch.nn.Linear(32, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of x [batch, n, 32], in documents of 100 tokens."""
        batch, n, _ = x.shape
        q, k, v = self.qkv(x).view(batch, n, 3, 2, 16).permute(2, 0, 3, 1, 4)
        doc = torch.arange(n) // 100
        out = self.near(q, k, v, doc=doc.expand(batch, n), window=n // 8)
        return self.out(out.transpose(1, 2).flatten(2))


def gradients(run: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The output, and the gradient of its sum of squares by the input and each weight."""
    x = x.clone().requires_grad_()
    out = run(x)
    return out, *torch.autograd.grad(out.square().sum(), (x, *run.parameters()))


@pytest.fixture
def compiled():
    torch.compiler.reset()
    counters.clear()
    yield lambda block, **more: torch.compile(block, backend="aot_eager", **more)
    torch.compiler.reset()


def test_the_graph_ends_before_a_call_and_begins_anew_after_it(compiled):
    torch.manual_seed(0)
    block = Block()
    run = compiled(block)
    for n in (300, 301, 200):
        x = torch.randn(2, n, 32)
        for got, wanted in zip(gradients(run, x), gradients(block, x), strict=True):
            torch.testing.assert_close(got, wanted)
    assert counters["frames"]["total"] < 16


def test_a_whole_graph_is_refused_with_the_reason(compiled):
    block, x = Block(), torch.randn(1, 50, 32)
    compiled(block)(x)
    torch.compiler.reset()
    with pytest.raises(RuntimeError, match="the layout of a mask is made outside of graphs"):
        compiled(block, fullgraph=True)(x)


def test_an_export_that_runs_the_call_is_refused_by_torch():
    near = maskc.loads("pattern near = causal & recent(5)").near

    class Near(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return near(x, x, x)

    with pytest.raises(RuntimeError, match="data-dependent"):
        torch.export.export(Near(), (torch.randn(1, 1, 32, 16),), strict=False)
