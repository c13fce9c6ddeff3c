"""The choice of a tile, with a clock of our own."""

from __future__ import annotations

import itertools

import pytest
import torch
from triton.runtime.errors import OutOfResources

import maskc
from maskc.codegen.runtime.tiles import LEAST_TUNED, Tile, run_fastest, tiles, within
from maskc.codegen.runtime.triton_backend import _Launch

DEFAULT, FAST, GREEDY = Tile(128, 64, 8, 3), Tile(64, 64, 4, 2), Tile(128, 128, 8, 3)
MILLISECONDS = {DEFAULT: 3.0, FAST: 1.0, GREEDY: 0.5}

_keys = itertools.count()


class Gpu:
    """A GPU that has no room for some tiles, and a clock that knows them all."""

    def __init__(self, milliseconds=MILLISECONDS, too_large=(GREEDY,)):
        self.key = next(_keys)
        self.milliseconds, self.too_large = milliseconds, too_large
        self.ran: list[Tile] = []
        self.timed = 0

    def run(self, tile):
        """One launch in a tile."""
        if tile in self.too_large:
            raise OutOfResources(300_000, 232_448, "shared memory")
        self.ran.append(tile)

    def time(self, run):
        """Milliseconds of a launch."""
        self.timed += 1
        run()
        return self.milliseconds[self.ran[-1]]

    def call(self, timed=True):
        """The tile in which a call runs."""
        candidates = (DEFAULT, GREEDY, FAST)
        return run_fastest(self.key, candidates, self.run, self.time if timed else None)


def test_the_fastest_tile_that_fits_runs_and_is_timed_once():
    gpu = Gpu()
    assert [gpu.call(), gpu.call(), gpu.call()] == [FAST] * 3
    assert gpu.ran[-3:] == [FAST] * 3
    assert gpu.timed == 2


def test_without_timing_the_default_runs_and_nothing_else():
    gpu = Gpu()
    assert gpu.call(timed=False) == DEFAULT
    assert gpu.ran == [DEFAULT]
    assert gpu.call() == FAST


def test_what_was_timed_is_kept_where_timing_is_off_later():
    gpu = Gpu()
    gpu.call()
    assert gpu.call(timed=False) == FAST


def test_a_remembered_tile_that_no_longer_fits_gives_way_to_the_next():
    gpu = Gpu()
    gpu.call()
    gpu.too_large = (GREEDY, FAST)
    assert gpu.call() == DEFAULT


def test_a_short_kernel_keeps_its_default_after_one_measurement():
    gpu = Gpu(dict.fromkeys(MILLISECONDS, LEAST_TUNED / 2))
    assert gpu.call() == DEFAULT
    assert gpu.timed == 1


@pytest.mark.parametrize("timed", [False, True])
def test_where_nothing_fits_the_error_says_what_is_short(timed):
    gpu = Gpu(too_large=(DEFAULT, FAST, GREEDY))
    with pytest.raises(OutOfResources, match="shared memory"):
        gpu.call(timed)


def test_a_tile_that_is_cut_to_few_pairs_takes_four_warps():
    assert within(DEFAULT, 16, 512) == Tile(16, 64, 4, 3)
    assert within(DEFAULT, 64, 512) == Tile(64, 64, 8, 3)


@pytest.mark.parametrize("kernel", ["forward", "dq", "dkdv"])
def test_long_calls_run_in_the_tiles_of_the_list(kernel):
    pattern = maskc.loads("pattern causal_only = causal").causal_only
    q = torch.zeros(1, 1, 256, 64)
    layout, call = pattern.layout(256), pattern.bind(256)
    launch = _Launch(q, q, q, layout, call, pattern.spec, 1.0)
    assert launch._tiles(kernel) == list(tiles(kernel, "sm80", 32, 64))
