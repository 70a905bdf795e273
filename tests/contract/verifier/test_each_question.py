"""Each place at which the verifier asks a check is needed: left out, some attack is no longer called what it is.

The table of checks may be whole and a check asked at one place too few; so here the place is left out, not the check.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from phoenix_adapters import phoenix_verify
from tests.contract.verifier.byte_attacks import BYTE_ATTACKS, honest
from tests.contract.verifier.test_meaning import ATTACKS, roots_of, told

SOURCE: Final = Path(phoenix_verify.__file__).read_text("utf-8")
FLAWS: Final = ("TOO_DEEP", "NOT_JSON", "DUPLICATE_KEY", "FLOAT", "NUMBER_RANGE", "KEY_NOT_ASCII")
SIGNED: Final = cache(phoenix_verify.ed25519)  # each honest signature is verified once
# Asked of what was kept outside, which no export holds: test_parts_tree.py and test_bytes.py ask it at each place.
OUTSIDE: Final = "check_outside"


def questions() -> Iterator[tuple[int, str, str]]:
    """Every place that asks: its line, its function, the code."""
    for function in ast.walk(ast.parse(SOURCE)):
        if isinstance(function, ast.FunctionDef) and function.name not in ("judge", OUTSIDE):
            for node in ast.walk(function):
                match node:
                    case ast.Expr(ast.Call(ast.Name("judge"), [ast.Constant(str(code)), *_])):
                        yield node.lineno, function.name, code
                    case ast.Expr(ast.Call(ast.Name("judge"), [ast.Name("flaw"), *_])):
                        yield node.lineno, function.name, " ".join(FLAWS)


def without(line: int) -> ModuleType:
    """The verifier without what is asked at this line."""
    tree = ast.parse(SOURCE)
    asked = next(node for node in ast.walk(tree) if isinstance(node, ast.Expr) and node.lineno == line)
    asked.value = ast.copy_location(ast.Constant(None), asked)
    module = ModuleType("a_verifier_that_asks_less")
    sys.modules[module.__name__] = module  # where its dataclasses look for their names
    exec(compile(tree, "phoenix_verify.py", "exec"), module.__dict__)
    module.__dict__["ed25519"] = SIGNED
    return module


def said(module: ModuleType, export: bytes, roots: phoenix_verify.Roots) -> str:
    """What it says of an export now."""
    file = BytesIO(export)
    try:
        outline = module.check_bytes(file, roots)
        module.check_meaning(file, outline, roots)
    except Exception as found:  # noqa: BLE001 - with a question left out anything may happen
        return str(getattr(found, "code", "STUMBLED"))
    return "TRUE"


def attacks(codes: list[str]) -> Iterator[tuple[str, bytes, phoenix_verify.Roots]]:
    """Every attack that one of these codes names."""
    for attack in BYTE_ATTACKS:
        if attack.code in codes:
            yield attack.code, attack.export(), roots_of(honest())
    for code, export in (("EMPTY", b""), ("BAD_LINE", honest().export()[:-1] + b"x")):
        if code in codes:
            yield code, export, roots_of(honest())
    for meant in ATTACKS:
        if meant.code in codes:
            yield meant.code, *told(meant)


@pytest.mark.parametrize(("line", "function", "codes"), list(questions()), ids=lambda each: str(each)[:30])
def test_each_question_is_needed(line: int, function: str, codes: str) -> None:
    """Without it some attack has another name, or none."""
    module = without(line)
    changed = [said(module, export, roots) != code for code, export, roots in attacks(codes.split())]
    assert any(changed), f"{function} could do without asking {codes}"


def test_whole_it_says_what_it_says() -> None:
    """The twin: with every question asked each of them has its name; a sentence about a function asks nothing."""
    functions = (node for node in ast.parse(SOURCE).body if isinstance(node, ast.FunctionDef))
    module = without(next(functions).body[0].lineno)
    sample = [row for code in ("BAD_SEQ", "TOKEN_USED", "EXIT_TOO_LARGE") for row in attacks([code])]
    assert [said(module, export, roots) for _, export, roots in sample] == [code for code, _, _ in sample]
