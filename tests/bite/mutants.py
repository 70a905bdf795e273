"""Every small way in which a module can be wrong, one at a time.

A mutant changes one node of the syntax tree: a comparison by one step, `and` for `or`, a bound by one, a condition that
always or never holds, a statement left out, a member of a table left out. Left alone are docstrings and other strings,
annotations, decorators, imports, assertions (they say what cannot happen, so no test may reach them) and raised errors.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, TypeVar

from attrs import frozen

COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
SWAPPED: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
LEFT_ALONE: Final = ast.Assert | ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr
FIELDS_LEFT_ALONE: Final = frozenset({"annotation", "returns", "decorator_list", "bases"})


T = TypeVar("T")


@frozen
class Mutant:
    """One change to a module: the line as it stands, what stood there, what stands there now, and the whole source."""

    line: int
    text: str
    was: str
    says: str
    source: str

    @property
    def name(self) -> str:
        """How a survivor is known, also after lines above it have come or gone."""
        return f"{self.text} | {self.was} -> {self.says}"


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its text."""
    raw = source.encode()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in _nodes(ast.parse(source)):
        for old, new in [(node, new) for new in _changes(node)] + list(_conditions(node)):
            assert old.end_lineno is not None
            assert old.end_col_offset is not None
            start, end = starts[old.lineno - 1] + old.col_offset, starts[old.end_lineno - 1] + old.end_col_offset
            text = raw[starts[old.lineno - 1] : starts[old.lineno]].decode().strip()
            says = ast.unparse(new)
            written = f"({says})" if isinstance(new, ast.expr) else says
            mutated = (raw[:start] + written.encode() + raw[end:]).decode()
            yield Mutant(old.lineno, text, _short(ast.unparse(old)), _short(says), mutated)


def _short(text: str) -> str:
    return " ".join(text.split())[:160]


def _nodes(within: ast.AST) -> Iterator[ast.stmt | ast.expr]:
    for field, value in ast.iter_fields(within):
        if field in FIELDS_LEFT_ALONE:
            continue
        for node in value if isinstance(value, list) else [value]:
            if not isinstance(node, ast.AST) or isinstance(node, LEFT_ALONE) or _is_string(node) or _is_alias(node):
                continue
            if isinstance(node, ast.stmt | ast.expr):
                yield node
            yield from _nodes(node)


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_alias(node: ast.AST) -> bool:
    """`Proof = BrokerMessage | OperatorDecision`: a type, which no test can see."""
    if not isinstance(node, ast.Assign) or not isinstance(target := node.targets[0], ast.Name):
        return False
    return target.id[0].isupper() and not target.id.isupper()


def _changes(node: ast.stmt | ast.expr) -> Iterator[ast.stmt | ast.expr]:
    """What could stand in place of this node."""
    match node:
        case ast.Compare(left, ops, comparators):
            for place, op in enumerate(ops):
                for other in COMPARISONS[type(op)]:
                    yield ast.Compare(left, [*ops[:place], other(), *ops[place + 1 :]], comparators)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            yield from (ast.BoolOp(op, _without(values, place)) for place in range(len(values)) if len(values) > 2)
            yield from (value for value in values if len(values) == 2)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.BinOp(left, op, right) if type(op) in ARITHMETIC:
            yield ast.BinOp(left, ARITHMETIC[type(op)](), right)
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value)):
            yield ast.Constant(value + 1)
        case ast.IfExp():
            yield from (node.body, node.orelse)
        case ast.Call(ast.Name(name), args, keywords) if name in SWAPPED:
            yield ast.Call(ast.Name(SWAPPED[name]), args, keywords)
        case ast.Set(elements) | ast.List(elements) | ast.Tuple(elements) if len(elements) > 1:
            if isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
                yield from (type(node)(_without(elements, place)) for place in range(len(elements)))
        case ast.Dict(keys, values) if len(values) > 1:
            yield from (ast.Dict(_without(keys, place), _without(values, place)) for place in range(len(values)))
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            yield from _unfiltered(node)
        case _:
            yield from _statements(node)


def _unfiltered(node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Iterator[ast.expr]:
    for place, loop in enumerate(node.generators):
        if loop.ifs:
            bare = ast.comprehension(loop.target, loop.iter, [], loop.is_async)
            loops = [*node.generators[:place], bare, *node.generators[place + 1 :]]
            if isinstance(node, ast.DictComp):
                yield ast.DictComp(node.key, node.value, loops)
            else:
                yield type(node)(node.elt, loops)


def _statements(node: ast.stmt | ast.expr) -> Iterator[ast.stmt]:
    match node:
        case ast.Expr() | ast.AugAssign():
            yield ast.Pass()
        case ast.Assign([ast.Attribute() | ast.Subscript(), *_]):
            yield ast.Pass()  # a name that is not bound would be noticed by any test
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case _:
            pass


def _conditions(node: ast.stmt | ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.If):
        yield node.test, ast.Constant(value=True)
        yield node.test, ast.Constant(value=False)


def _without(items: list[T], place: int) -> list[T]:
    return [*items[:place], *items[place + 1 :]]
