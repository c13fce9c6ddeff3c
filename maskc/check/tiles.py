"""`coarse`: a mask read once for each tile of positions, as quantifiers over the tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from maskc import ir, syntax
from maskc.check.kinds import typed
from maskc.check.plan import N_K, N_Q, ZERO
from maskc.check.scope import Scope
from maskc.check.values import POISON, Poison, Value

Lower = Callable[[syntax.Expression, Scope], Value]

RULES = ("any", "all", "center", "share")

_EXAMPLE = "as in `coarse(M, 64)` or `coarse(M, q = 32, k = 64, rule = all)`"


@dataclass(frozen=True, slots=True)
class _Tile:
    """One side of a tile.

    `first` is its first position, `size` its positions, of which those in low..high exist.
    `replaced`: the position comes from `at`, so it may be anywhere.
    """

    size: ir.Node
    first: ir.Node
    low: ir.Node
    high: ir.Node
    replaced: bool


def coarse(node: syntax.Call, scope: Scope, lower: Lower) -> ir.Node | Poison:
    """`coarse(M, 64)`, `coarse(M, q = 32, k = 64, rule = share(60))`."""
    given = _arguments(node, scope)
    if given is None:
        return POISON
    mask, sizes, rule = given
    tiles: list[_Tile] = []
    for side in ("q", "k"):
        size = _size(sizes.get(side), scope, lower)
        if size is None:
            return POISON
        tiles.append(_tile(side, size, scope))
    word, share = _rule(rule, scope, lower)
    if word is None:
        return POISON

    def body(q: ir.Node, k: ir.Node, loops: int) -> ir.Node | None:
        inside = replace(scope, q=q, k=k, loop=scope.loop + loops)
        return typed(lower(mask, inside), ir.BOOL, mask, inside, "`coarse` takes a mask")

    if word == "center":
        value = body(_center(tiles[0], scope), _center(tiles[1], scope), 0)
    elif word == "share":
        assert share is not None, "a share has a number"
        value = _share(tiles, share, scope, body)
    else:
        value = _everywhere(word, tiles, scope, body)
    if value is None:
        return POISON
    stands = [_stands(tile, scope) for tile in tiles if tile.replaced]
    return scope.room.nodes.op("and", *stands, value)


def _arguments(
    node: syntax.Call, scope: Scope
) -> tuple[syntax.Expression, dict[str, syntax.Expression], syntax.Expression | None] | None:
    plain = [argument.value for argument in node.arguments if argument.name is None]
    named = {argument.name: argument for argument in node.arguments if argument.name}
    if not plain or len(plain) > 2 or len(plain) + len(named) < len(node.arguments):
        scope.error("wrong-arguments", "`coarse` takes a mask and tile sizes", node, hint=_EXAMPLE)
        return None
    for name, argument in named.items():
        if name not in ("q", "k", "rule"):
            hint = scope.near(("q", "k", "rule"), name) or _EXAMPLE
            text = f"`coarse` has no parameter `{name}`"
            scope.error("unknown-argument", text, argument, hint=hint)
            return None
    sizes = {side: named[side].value for side in ("q", "k") if side in named}
    if len(plain) == 2 and sizes:
        text = "`coarse` takes one size for both sides, or `q =` and `k =`"
        scope.error("wrong-arguments", text, node, hint=_EXAMPLE)
        return None
    if len(plain) == 2:
        sizes = {"q": plain[1], "k": plain[1]}
    if not sizes:
        scope.error("missing-argument", "`coarse` needs a tile size", node, hint=_EXAMPLE)
        return None
    rule = named.get("rule")
    return plain[0], sizes, rule.value if rule else None


def _size(place: syntax.Expression | None, scope: Scope, lower: Lower) -> ir.Node | None:
    if place is None:
        return scope.room.nodes.const(1)
    size = typed(lower(place, scope), ir.INT, place, scope, "a tile size is an int")
    if size is None:
        return None
    if not scope.is_constant(size):
        scope.error("not-constant", "a tile size is a constant expression", place)
        return None
    if isinstance(size, ir.Const) and size.value < 1:
        scope.error("wrong-extent", f"a tile of {size.value} positions is empty", place)
        return None
    return size


def _rule(
    place: syntax.Expression | None, scope: Scope, lower: Lower
) -> tuple[str | None, ir.Node | None]:
    match place:
        case None:
            return "any", None
        case syntax.Name("any" | "all" | "center" as word):
            return word, None
        case syntax.Call(syntax.Name("share"), (syntax.Argument(None, percent),)):
            share = typed(lower(percent, scope), ir.INT, percent, scope, "a share is in percent")
            return (None, None) if share is None else ("share", share)
    hint = "the rules are `any`, `all`, `center` and `share(60)`"
    if isinstance(place, syntax.Name):
        hint = scope.near(RULES, place.name) or hint
    scope.error("wrong-arguments", "this is no rule of `coarse`", place, hint=hint)
    return None, None


def _tile(side: str, size: ir.Node, scope: Scope) -> _Tile:
    nodes = scope.room.nodes
    position = scope.q if side == "q" else scope.k
    align = scope.plan.space.align if scope.plan else "end"
    low: ir.Node = nodes.keep(ZERO)
    high: ir.Node = nodes.keep(N_K)
    if side == "q" and align == "end":
        low = nodes.op("min", low, nodes.op("sub", nodes.keep(N_K), nodes.keep(N_Q)))
    elif side == "q" and align == "start":
        high = nodes.op("max", high, nodes.keep(N_Q))
    elif side == "q":
        high = nodes.keep(N_Q)
    one = isinstance(size, ir.Const) and size.value == 1
    first = position if one else nodes.op("mul", nodes.op("floordiv", position, size), size)
    return _Tile(size, first, low, high, position != ir.Var(side))


def _center(tile: _Tile, scope: Scope) -> ir.Node:
    nodes = scope.room.nodes
    if _is_one(tile):
        return tile.first
    half = nodes.op("floordiv", tile.size, nodes.const(2))
    last = nodes.op("sub", tile.high, nodes.const(1))
    return nodes.op("min", nodes.op("add", tile.first, half), last)


def _everywhere(
    word: str,
    tiles: Sequence[_Tile],
    scope: Scope,
    body: Callable[[ir.Node, ir.Node, int], ir.Node | None],
) -> ir.Node | None:
    """`any` or `all` over the existing pairs of the tile, the query's side outside."""
    nodes = scope.room.nodes
    places: list[ir.Node] = []
    loops: list[tuple[str, _Tile, ir.Node]] = []
    for tile in tiles:
        if _is_one(tile):
            places.append(tile.first)
            continue
        variable = f"I{scope.loop + len(loops)}"
        scope.room.loops[variable] = (0, None)
        place = nodes.op("add", tile.first, nodes.keep(ir.Var(variable)))
        places.append(place)
        loops.append((variable, tile, place))
    value = body(places[0], places[1], len(loops))
    if value is None:
        return None
    for variable, tile, place in reversed(loops):
        exists = _exists(tile, place, scope)
        if word == "any":
            value = nodes.op("and", exists, value)
        else:
            value = nodes.op("or", nodes.op("not", exists), value)
        value = nodes.fold(word, variable, nodes.const(0), tile.size, value)
    return value


def _share(
    tiles: Sequence[_Tile],
    share: ir.Node,
    scope: Scope,
    body: Callable[[ir.Node, ir.Node, int], ir.Node | None],
) -> ir.Node | None:
    """Kept pairs * 100 >= share * existing pairs, counted in one loop over both sides."""
    nodes = scope.room.nodes
    variable = f"I{scope.loop}"
    scope.room.loops[variable] = (0, None)
    turn = nodes.keep(ir.Var(variable))
    steps = nodes.op("floordiv", turn, tiles[1].size), nodes.op("mod", turn, tiles[1].size)
    places = [nodes.op("add", tile.first, step) for tile, step in zip(tiles, steps, strict=True)]
    value = body(places[0], places[1], 1)
    if value is None:
        return None
    exist = [_exists(tile, place, scope) for tile, place in zip(tiles, places, strict=True)]
    pairs = nodes.op("mul", tiles[0].size, tiles[1].size)
    counted = nodes.op("and", *exist, value)
    kept = nodes.fold("count", variable, nodes.const(0), pairs, counted)
    existing = nodes.op("mul", _existing(tiles[0], scope), _existing(tiles[1], scope))
    return nodes.op("le", nodes.op("mul", share, existing), nodes.op("mul", kept, nodes.const(100)))


def _is_one(tile: _Tile) -> bool:
    return isinstance(tile.size, ir.Const) and tile.size.value == 1


def _exists(tile: _Tile, place: ir.Node, scope: Scope) -> ir.Node:
    nodes = scope.room.nodes
    below = nodes.op("lt", place, tile.high)
    if tile.low == ZERO and not tile.replaced:
        return below
    return nodes.op("and", nodes.op("le", tile.low, place), below)


def _existing(tile: _Tile, scope: Scope) -> ir.Node:
    nodes = scope.room.nodes
    start = nodes.op("max", tile.first, tile.low)
    end = nodes.op("min", nodes.op("add", tile.first, tile.size), tile.high)
    return nodes.op("sub", end, start)


def _stands(tile: _Tile, scope: Scope) -> ir.Node:
    """Whether the tile holds any position that exists."""
    nodes = scope.room.nodes
    end = nodes.op("add", tile.first, tile.size)
    return nodes.op("and", nodes.op("lt", tile.first, tile.high), nodes.op("lt", tile.low, end))
