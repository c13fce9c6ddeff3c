"""What a pattern keeps of its calls, for all threads, and that it is found again by name."""

from __future__ import annotations

import gc
import pickle
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import maskc

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
    gc.collect()
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
