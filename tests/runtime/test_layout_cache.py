"""What a pattern keeps of its calls, for all threads, and that it is found again by name."""

from __future__ import annotations

import pickle
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import maskc
from maskc.codegen.runtime.layout_cache import Identity
from maskc.codegen.runtime.torch_plan import TORCH_BLOCK

BIASED = """
pattern biased {
    input bias: float[head]
    mask k <= q
    score s + bias[head]
}
"""


def test_a_kept_layout_holds_no_input_of_the_score():
    biased = maskc.loads(BIASED).biased
    q = torch.randn(1, 2, 20, 8)
    bias = torch.zeros(2, dtype=torch.float64, requires_grad=True) * 2
    held = weakref.ref(bias)
    biased(q, q, q, bias=bias)
    del bias
    assert held() is None
    assert biased.layout(20, heads=2, bias=torch.zeros(2)).kept_pairs == 2 * 210


def test_threads_share_the_layouts_of_a_pattern():
    causal = maskc.loads("pattern shared = causal").shared
    failures = []

    def ask(thread: int) -> None:
        try:
            for i in range(60):
                n = 1 + (7 * thread + i) % 45
                assert causal.layout(n).n_q == n
        except Exception as error:
            failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failures


@pytest.mark.parametrize("name", ["torch", "print", "__name__"])
def test_a_pattern_named_like_a_part_of_its_module_is_pickled_too(name):
    pattern = vars(maskc.loads(f"pattern {name} = causal"))[name]
    assert pickle.loads(pickle.dumps(pattern)) is pattern


def test_threads_that_load_one_spec_at_once_all_get_the_whole_module():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    start = threading.Barrier(4)

    def loaded(i: int) -> object:
        start.wait()
        return maskc.loads("pattern loaded_at_once = causal").loaded_at_once

    try:
        with ThreadPoolExecutor(4) as threads:
            found = set(threads.map(loaded, range(4)))
    finally:
        sys.setswitchinterval(interval)
    assert len(found) == 1


@pytest.mark.parametrize("name", ["join", "has"])
def test_a_pattern_with_sinks_may_be_called_anything(name):
    pattern = getattr(maskc.loads(f"pattern {name} {{\n mask causal\n sink_count 3\n}}"), name)
    q = torch.randn(1, 1, 20, 8, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(pattern(q, q, q), pattern(q, q, q, backend="dense"))


def test_an_entry_that_is_not_a_number_is_equal_to_itself():
    near = maskc.loads("pattern near_ {\n input x: float[k]\n mask causal & x[k] < 1.0\n}").near_
    x = torch.tensor([0.0, float("nan"), 2.0, 0.5])
    assert near.layout(4, x=x) is near.layout(4, x=x.clone())
    assert near.layout(4, x=x) is not near.layout(4, x=x.nan_to_num(0.5))


def test_calls_that_take_turns_with_their_inputs_keep_a_layout_each():
    packed = maskc.loads("pattern packed {\n input doc: int[k]\n mask document(doc)\n}").packed
    labels = [torch.arange(200) // size for size in (7, 50, 200)]
    built = [packed.layout(200, doc=doc) for doc in labels]
    assert all(packed.layout(200, doc=doc) is built[i] for i, doc in enumerate(labels))


def test_a_cache_forgets_what_was_used_longest_ago(monkeypatch):
    causal = maskc.loads("pattern forgetful = causal").forgetful
    layouts = [causal.layout(n, block=16) for n in (1000, 1001, 1002)]
    assert causal.layout(1000, block=16) is layouts[0]
    room = causal.layouts.nbytes
    monkeypatch.setitem(vars(sys.modules[type(causal).__module__]), "MOST_BYTES", room)
    causal.layout(1003, block=16)
    assert causal.layouts.nbytes <= room
    assert causal.layout(1000, block=16) is layouts[0]
    assert causal.layout(1001, block=16) is not layouts[1]


def test_plans_of_the_torch_back_end_count_against_the_limit(monkeypatch):
    packed = maskc.loads("pattern held {\n input doc: int[k]\n mask document(doc)\n}").held
    q = torch.zeros(1, 1, 600, 8)
    docs = [torch.arange(600) // size for size in (70, 150, 290)]
    sizes = []
    for doc in docs:
        packed(q, q, q, doc=doc, backend="torch")
        sizes.append(packed.layouts.nbytes - sum(sizes))
    layout = packed.layout(600, doc=docs[-1], block=TORCH_BLOCK)
    masks = layout._known["torch plan"].nbytes
    assert masks > layout.nbytes
    assert sizes[-1] == layout.nbytes + docs[-1].numel() * 8 + masks
    room = sizes[-1] + sizes[-2]
    monkeypatch.setitem(vars(sys.modules[type(packed).__module__]), "MOST_BYTES", room)
    packed.layout(600, doc=docs[-1], block=TORCH_BLOCK)
    assert packed.layouts.nbytes == room


def test_a_layout_beyond_the_limit_is_the_only_one_kept(monkeypatch):
    causal = maskc.loads("pattern large = causal").large
    monkeypatch.setitem(vars(sys.modules[type(causal).__module__]), "MOST_BYTES", 0)
    first = causal.layout(1000, block=16)
    assert causal.layout(1000, block=16) is first
    second = causal.layout(1001, block=16)
    assert causal.layouts.nbytes == second.nbytes


def test_an_identity_ends_with_its_tensor_and_with_each_change():
    tensor = torch.arange(6, device="meta")
    identity = Identity.of(tensor)
    assert identity is not None
    assert identity.still(tensor)
    assert not identity.still(tensor.clone())
    assert not identity.still(tensor[:])
    tensor.add_(1)
    assert not identity.still(tensor)
    del tensor
    assert identity.tensor() is None


def test_memory_that_numpy_may_change_has_no_identity():
    assert Identity.of(torch.arange(6)) is None
