"""The house's laws, each a function that reads one source file and says what is wrong with it.

tests/unit/test_laws.py holds the whole tree to every law, and shows for every law a sample that it bites on. The laws
are about what a reader may rely on: who imports whom, what the core can never do, how long a thing may be, what needs a
reason on its line.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Final

from attrs import frozen

FUNCTION_LINES_MAX: Final = 69  # "under 70": what fits on one screen is read as one thought
MODULE_LINES_MAX: Final = 400  # more is two rooms under one name

VERIFIER: Final = "src/phoenix_adapters/phoenix_verify.py"

# The reading order of the core: a room knows only the rooms above it.
READING_ORDER: Final = (
    *("values", "refusals", "canonical", "making", "records", "spelling", "orders", "facts", "bodies", "beads"),
    *("tree", "chain", "checkpoint", "effects", "world", "rulings"),
    *("gate", "trade", "watch", "trust"),
    *("desk", "acts", "kernel", "ports"),
)
# What the core may import from the standard library: values and pure functions. `datetime` for types and arithmetic.
PURE: Final = frozenset(
    {"__future__", "base64", "bisect", "collections", "collections.abc", "contextlib", "datetime", "decimal", "enum"}
    | {"functools", "hashlib", "heapq", "hmac", "itertools", "json", "json.encoder", "math", "operator", "re", "string"}
    | {"textwrap", "types", "typing", "unicodedata", "uuid"}
)
PURE_PACKAGES: Final = frozenset({"attrs", "returns", "phoenix_core"})
# What reads a clock, chance or a file: methods of datetime and date, functions however they are reached, built-in ones.
IMPURE_METHODS: Final = frozenset({"now", "utcnow", "today", "fromtimestamp"})
IMPURE_ANYWHERE: Final = frozenset({"uuid1", "uuid4", "getnode", "file_digest"})
IMPURE_BUILT_IN: Final = frozenset(
    {"open", "print", "input", "eval", "exec", "compile", "__import__", "breakpoint", "globals"}
)
# The one room that makes functions out of source, from the core's own classes alone, as attrs makes an `__init__`.
WRITES_CODE: Final = ("phoenix_core.making", "exec")
CLIENT: Final = frozenset({"ib_insync", "ib_async", "eventkit", "nest_asyncio"})
CLIENT_FOLDER: Final = "src/phoenix_adapters/brokers/ibkr/"
# The two adapters' rooms that others may know: strict codecs, and the layout of TWS frames.
SHARED_ADAPTERS: Final = ("phoenix_adapters.codec", "phoenix_adapters.wire")
# What the command line may know of the adapters outside wiring/
OPEN_TO_CLI: Final = ("phoenix_adapters.codec", "phoenix_adapters.engine")
# Each would touch orders that are not ours, or the event loop of whoever imports us.
BANNED_CALLS: Final = frozenset({"reqGlobalCancel", "reqAutoOpenOrders", "patchAsyncio"})
VAGUE: Final = re.compile(r"Manager|Service|Helper|(?:^|_)(?:utils?|common|helpers?|misc)(?:_|$)")
IGNORE: Final = re.compile(
    r"#\s*(?:type:\s*ignore|noqa|pyright:\s*ignore|pragma:\s*no cover)(?:\[[^\]]*\]|:[ A-Z0-9,]*)?"
)


@frozen
class Source:
    """One file: where it stands in the repository, and what it says."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The file as Python reads it."""
        return ast.parse(self.text, self.path)

    @cached_property
    def module(self) -> str:
        """Its dotted name, without `src`; a package is named without `__init__`."""
        parts = self.path.removeprefix("src/").removesuffix(".py").split("/")
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def comments(self) -> tuple[tuple[int, str], ...]:
        """Every comment with its line."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return tuple((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)


Complaint = Callable[[Source], Iterator[str]]


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Every module that the file names in an import, wherever in it, with the line."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.path}:{node.lineno}: ruff's TID refuses relative imports"
            assert node.module is not None
            if node.module.startswith("phoenix_"):
                # `from phoenix_core import gate` names a module as much as `import phoenix_core.gate` does.
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


def _inside(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


# --- who knows whom ---------------------------------------------------------------------------------------------------


def the_core_is_pure(source: Source) -> Iterator[str]:
    """The core imports attrs, returns and a listed part of the standard library; it has no way to do anything."""
    for line, module in imports(source):
        if module not in PURE and module.split(".")[0] not in PURE_PACKAGES:
            yield f"{line}: the core may not import {module}"


def the_core_asks_nothing(source: Source) -> Iterator[str]:
    """The core calls nothing that reads a clock, a file, a terminal or chance; time arrives with each command."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            name, owner = _name(node.func), _name(getattr(node.func, "value", node.func))
            of_a_clock = name in IMPURE_METHODS and owner in {"datetime", "date"}
            built_in = name in IMPURE_BUILT_IN and isinstance(node.func, ast.Name)
            built_in = built_in and (source.module, name) != WRITES_CODE
            if of_a_clock or built_in or name in IMPURE_ANYWHERE:
                yield f"{node.lineno}: the core may not call {name}()"


def every_room_is_known(source: Source) -> Iterator[str]:
    """A room of the core that the reading order does not name has no place to be read."""
    if source.module != "phoenix_core" and _room(source.module) not in READING_ORDER:
        yield f"1: {source.module} stands nowhere in the reading order"


def rooms_keep_the_reading_order(source: Source) -> Iterator[str]:
    """A module of the core imports only what stands above it, and never through the core's front door."""
    place = {room: index for index, room in enumerate(READING_ORDER)}
    for line, module in imports(source):
        if module.split(".")[0] != "phoenix_core" or source.module == "phoenix_core":
            continue
        if _room(module) not in place:
            yield f"{line}: inside the core, import {module} from the room where it stands"
        elif place[_room(module)] > place.get(_room(source.module), len(place)):
            yield f"{line}: {_room(source.module)} stands above {_room(module)} and may not know it"


def _room(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def dependencies_point_inward(source: Source) -> Iterator[str]:
    """phoenix_cli knows phoenix_adapters knows phoenix_core, never the other way round; nobody knows the tests."""
    beyond = {"phoenix_core": ("phoenix_adapters", "phoenix_cli"), "phoenix_adapters": ("phoenix_cli",)}
    for line, module in imports(source):
        if _inside(module, (*beyond.get(source.module.split(".")[0], ()), "tests", "bench")):
            yield f"{line}: {source.module} may not know {module}"


def adapters_keep_apart(source: Source) -> Iterator[str]:
    """Adapters never import each other; the codec and the TWS wire layout are for all of them."""
    here = _adapter(source.module)
    for line, module in imports(source):
        if module.startswith("phoenix_adapters.") and _adapter(module) != here and not _inside(module, SHARED_ADAPTERS):
            yield f"{line}: {here} may not know {module}"


def _adapter(module: str) -> str:
    """The unit that keeps to itself: each broker is one, every other room is one."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2] if parts[:1] == ["brokers"] else parts[:1])


def the_client_stays_in_its_folder(source: Source) -> Iterator[str]:
    """Only brokers/ibkr imports the broker's client library."""
    for line, module in imports(source):
        if module.split(".")[0] in CLIENT and not source.path.startswith(CLIENT_FOLDER):
            yield f"{line}: {module} belongs in {CLIENT_FOLDER}"


def wiring_alone_names_adapters(source: Source) -> Iterator[str]:
    """In the command line only wiring/ knows which adapters there are."""
    for line, module in imports(source):
        if not source.module.startswith("phoenix_cli.wiring") and _inside(module, ("phoenix_adapters",)):
            if module != "phoenix_adapters" and not _inside(module, OPEN_TO_CLI):
                yield f"{line}: {module} is for wiring/ to name"


# --- what is never done -----------------------------------------------------------------------------------------------


def results_are_not_matched(source: Source) -> Iterator[str]:
    """`case Success(x)` and `isinstance(r, Success)` narrow to Any and switch typing off; is_successful(r) does not."""
    containers = {"Success", "Failure", "Result"}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.MatchClass) and _name(node.cls) in containers:
            yield f"{node.lineno}: case {_name(node.cls)}(...) types as Any; ask is_successful()"
        if isinstance(node, ast.Call) and _name(node.func) in {"isinstance", "issubclass"} and len(node.args) == 2:
            if containers & {_name(each) for each in ast.walk(node.args[1])}:
                yield f"{node.lineno}: isinstance against a Result types as Any; ask is_successful()"


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def blind_excepts_have_a_reason(source: Source) -> Iterator[str]:
    """Who catches everything says on that line why this is a boundary."""
    reasons = dict(source.comments)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = {_name(each) for each in ast.walk(node.type)} if node.type is not None else {"Exception"}
            said = IGNORE.sub("", reasons.get(node.lineno, ""))
            if caught & {"Exception", "BaseException"} and len(said.split()) < 3:
                yield f"{node.lineno}: catches everything; say why on this line, or name what is caught"


def the_core_knows_no_floats(source: Source) -> Iterator[str]:
    """Money, price and quantity are Decimal; a float is recognised, to refuse it, or a number of seconds (`_s`)."""
    recognised: set[int] = set()  # `isinstance(x, float)`, `type(x) is float`, `timeout_s: float`
    for node in ast.walk(source.tree):
        if isinstance(node, ast.arg) and node.arg.endswith("_s") and node.annotation is not None:
            recognised |= {id(each) for each in ast.walk(node.annotation)}
        if (isinstance(node, ast.Call) and _name(node.func) == "isinstance") or isinstance(node, ast.Compare):
            recognised |= {id(each) for each in ast.walk(node)}
    for node in ast.walk(source.tree):
        if _name(node) == "float" and id(node) not in recognised:
            yield f"{_line(node)}: float is for the edges; the core counts in Decimal"
        if isinstance(node, ast.Constant) and isinstance(node.value, (float, complex)):
            yield f"{node.lineno}: {node.value} is a float; write Decimal('{node.value}')"


ROUNDS: Final = frozenset({"quantize", "to_integral_value", "to_integral_exact", "sqrt", "normalize", "scaleb", "fma"})


def the_core_rounds_by_itself(source: Source) -> Iterator[str]:
    """What rounds a Decimal asks the thread for its context, which is the host's, unless it is told whose."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ROUNDS:
            told = (node.func.value, *node.args, *(word.value for word in node.keywords))  # or it is asked itself
            if not any(_name(one) == "ARITHMETIC" for one in told):
                yield f"{_line(node)}: {node.func.attr} rounds as the host does; hand ARITHMETIC in"


def _line(node: ast.AST) -> int:
    line = getattr(node, "lineno", 1)
    assert isinstance(line, int)
    return line


def the_core_names_no_any(source: Source) -> Iterator[str]:
    """`Any` switches the type checker off; only a table from type to handler, which mypy cannot type, may name it."""
    tabled = {
        id(each)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.AnnAssign) and "Mapping[type, Callable[" in ast.unparse(node.annotation)
        for each in ast.walk(node.annotation)
    }
    for node in ast.walk(source.tree):
        if _name(node) == "Any" and id(node) not in tabled:
            yield f"{_line(node)}: Any; say the type, or object"


def orders_of_others_are_left_alone(source: Source) -> Iterator[str]:
    """No global cancel, no binding of foreign orders, no patched event loop: banned by name, in strings too."""
    if source.path.startswith(("src/phoenix_adapters/gateway/", "src/phoenix_adapters/wire/")):
        return  # the simulator and the wire layout must know every request that a client could make
    for node in ast.walk(source.tree):
        word = node.value if isinstance(node, ast.Constant) else _name(node)
        if isinstance(word, str) and word in BANNED_CALLS:
            yield f"{_line(node)}: {word} is banned"


# --- how it is written ------------------------------------------------------------------------------------------------


def functions_fit_a_screen(source: Source) -> Iterator[str]:
    """A function stays under 70 lines."""
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.lineno}: {node.name} has {lines} lines, more than {FUNCTION_LINES_MAX}"


def modules_stay_small(source: Source) -> Iterator[str]:
    """A module stays within 400 lines; the offline verifier is one file by promise, to be read and copied alone."""
    lines = len(source.text.splitlines())
    if lines > MODULE_LINES_MAX and source.path != VERIFIER:
        yield f"1: {lines} lines, more than {MODULE_LINES_MAX}"


def names_say_something(source: Source) -> Iterator[str]:
    """No Manager, Service, Helper, utils or common: such a name says that nobody knew what the thing is."""
    if VAGUE.search(source.module.rsplit(".", 1)[-1]):
        yield f"1: {source.module} is a vague name"
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and VAGUE.search(node.name):
            yield f"{node.lineno}: {node.name} is a vague name"


def front_doors_only_re_export(source: Source) -> Iterator[str]:
    """`__init__` re-exports what it imports by `__all__`, which ruff keeps sorted, and does nothing else."""
    imported: list[str] = []
    exported: list[str] | None = None
    for place, node in enumerate(source.tree.body):
        if isinstance(node, ast.ImportFrom):
            imported += [alias.asname or alias.name for alias in node.names if node.module != "__future__"]
        elif isinstance(node, ast.Assign) and [_name(target) for target in node.targets] == ["__all__"]:
            exported = ast.literal_eval(node.value)
        elif not (place == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield f"{node.lineno}: only imports and __all__ belong here"
    if imported and exported is None:
        yield "1: re-exports without __all__"
    if exported is not None and sorted(exported) != sorted(imported):
        yield "1: __all__ is not the list of what is imported"


def tests_say_what_they_show(source: Source) -> Iterator[str]:
    """Every test and every class of tests has a docstring."""
    for node in ast.walk(source.tree):
        named = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
        grouped = isinstance(node, ast.ClassDef) and node.name.startswith("Test")
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and (named or grouped):
            if not ast.get_docstring(node):
                yield f"{node.lineno}: {node.name} has no docstring"


def sessions_say_what_they_do(source: Source) -> Iterator[str]:
    """Every nox session has a docstring of one line: it is what `nox -l` prints."""
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef) and any("session" in ast.dump(each) for each in node.decorator_list):
            said = ast.get_docstring(node) or ""
            if not said or "\n" in said:
                yield f"{node.lineno}: session {node.name} needs a docstring of one line"


def ignores_have_a_reason(source: Source) -> Iterator[str]:
    """An ignore names its rule and says on the same line why it is right."""
    for line, comment in source.comments:
        if found := IGNORE.search(comment):
            if not re.search(r"[\[:]\s*\w", found.group().split("ignore")[-1]) and "no cover" not in found.group():
                yield f"{line}: {found.group().strip()} does not name its rule"
            if len(IGNORE.sub("", comment).split()) < 3:
                yield f"{line}: {found.group().strip()} gives no reason"


# --- the whole tree ---------------------------------------------------------------------------------------------------


def circles(sources: list[Source]) -> Iterator[tuple[str, ...]]:
    """Every set of modules that import each other in a circle."""
    known = {source.module for source in sources}
    edges = {
        source.module: {near for _, name in imports(source) if (near := _nearest(name, known))} for source in sources
    }
    reached = {module: _reach(edges, module) for module in edges}
    rings = {tuple(sorted({b for b in reached[a] if a in reached[b]})) for a in edges if a in reached[a]}
    yield from sorted(rings)


def _nearest(module: str, known: set[str]) -> str | None:
    """The module that holds an imported name: itself, or the one before its last dot."""
    return next((name for name in (module, module.rpartition(".")[0]) if name in known), None)


def _reach(edges: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        fresh = edges[ahead.pop()] - seen
        seen |= fresh
        ahead += fresh
    return seen


def foreign_modules(loaded: set[str]) -> set[str]:
    """The top-level modules among those loaded that Python did not bring along."""
    tops = {module.split(".")[0] for module in loaded}
    return {top for top in tops if top not in sys.stdlib_module_names and not top.startswith(("_", "sitecustom"))}
