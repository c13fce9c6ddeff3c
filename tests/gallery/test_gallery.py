"""Every published pattern keeps what its paper says, and is listed."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gallery
import maskc
from gallery.attention import assert_as_dense
from gallery.definition import DEFINITIONS, Call, Definition

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
FAMILIES = ("language", "vision", "video", "structured", "hybrid")
FILES = sorted(file for family in FAMILIES for file in (EXAMPLES / family).glob("*.attn"))
SYSTEMS = json.loads((EXAMPLES / "systems.json").read_text(encoding="utf-8"))

for module in pkgutil.iter_modules(gallery.__path__, "gallery."):
    if not module.name.startswith("gallery.test_"):
        importlib.import_module(module.name)


@cache
def patterns(file: str) -> dict[str, Any]:
    """The compiled patterns of a file by name."""
    return vars(maskc.load(EXAMPLES / file))


def cases() -> list[Any]:
    """Each call of each definition."""
    return [
        pytest.param(definition, call, id=f"{definition.file}-{definition.name}-{i}")
        for definition in DEFINITIONS
        for i, call in enumerate(definition.calls)
    ]


@pytest.mark.parametrize(("definition", "call"), cases())
def test_the_mask_is_what_the_paper_defines(definition: Definition, call: Call):
    pattern = patterns(definition.file)[definition.name]
    inputs = {name: torch.from_numpy(value) for name, value in call.inputs.items()}
    n_q = call.n if call.n_q is None else call.n_q
    mask = pattern.dense_mask(n_q, **call.keywords(), **inputs)
    wanted = np.broadcast_to(definition.keep(call), mask.shape)
    np.testing.assert_array_equal(mask.numpy(), wanted)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_pattern_has_a_definition_at_two_sizes(file: Path):
    name = str(file.relative_to(EXAMPLES))
    defined = {d.name: d.calls for d in DEFINITIONS if d.file == name}
    assert defined.keys() == patterns(name).keys()
    assert all(len({call.n for call in calls}) >= 2 for calls in defined.values())


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda d: f"{d.file}-{d.name}")
def test_no_definition_is_empty(definition: Definition):
    assert any(definition.keep(call).any() for call in definition.calls)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_names_its_system(file: Path):
    assert re.search(r"^# system: (S\d{3}|shared)$", file.read_text(encoding="utf-8"), re.MULTILINE)


def words(text: str) -> str:
    """The words of a text in lower case, a space between them."""
    return " ".join(re.findall(r"\w+", text.lower()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_of_a_system_names_its_paper(file: Path):
    text = file.read_text(encoding="utf-8")
    keys = [key for key in re.findall(r"^# system: (\w+)$", text, re.MULTILINE) if key in SYSTEMS]
    told = " ".join(re.findall(r"^\s*## (.+)$", text, re.MULTILINE))
    titles = [words(SYSTEMS[key]["title"]) for key in keys]
    named = any(title in words(told) for title in titles)
    assert not keys or named or re.search(r"arXiv \d{4}\.\d{5}", told)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda d: f"{d.file}-{d.name}")
def test_the_torch_back_end_attends_as_dense_attention(definition: Definition):
    pattern = patterns(definition.file)[definition.name]
    assert_as_dense(pattern, definition.calls[0], "torch")
