"""The house rules that a machine can check.

Each test names one rule; an exception to it is written down here, with its reason, or not made.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("drivers", "calibration", "gateway", "hil")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 40

# Which room may import which. hil's entry points (demonstration, training, ...) may also use the gateway.
MAY_IMPORT = {
    "drivers": {"drivers"},
    "calibration": {"calibration", "drivers"},
    "gateway": {"gateway", "calibration", "drivers"},
    "hil": {"hil", "calibration", "drivers"},
}
HIL_ENTRY_POINTS = ("hil/demo", "hil/training", "hil/bench", "hil/conformance")
LAZY_HIL = "gateway/cli/"  # only these may reach from the gateway into hil, and only inside a function

WORLD = {
    "asyncio", "concurrent", "ctypes", "fcntl", "multiprocessing", "os", "paho", "pty", "pymodbus", "queue", "select",
    "selectors", "serial", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "termios",
    "threading", "time", "tty", "ai_edge_litert", "tflite_runtime",
}  # fmt: skip
EDGE = (ROOT / "tests" / "edge_files.txt").read_text().split()

WALL_CLOCK = re.compile(r"\btime\.time(_ns)?\(|datetime\.(now|utcnow|today)\(|date\.today\(")
REASONED = re.compile(r"(\[[\w-]+(, ?[\w-]+)*\]|: ?[A-Z]+\d+(, ?[A-Z]+\d+)*)\s+(# )?\S+ \S+")
EMPTY_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|base|common|misc|handlers?)(_|$)", re.IGNORECASE)


def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(), str(path))


def imports(path: Path, *, at_run_time: bool = False) -> list[tuple[str, ast.stmt]]:
    """Return each imported module's dotted name with its statement; `at_run_time` leaves out those for types alone."""
    whole = tree(path)
    idle: set[ast.AST] = set()
    if at_run_time:
        branches = [node for node in ast.walk(whole) if isinstance(node, ast.If)]
        guards = [branch for branch in branches if ast.unparse(branch.test) == "TYPE_CHECKING"]
        idle = {inner for guard in guards for inner in ast.walk(guard)}
    found: list[tuple[str, ast.stmt]] = []
    for node in ast.walk(whole):
        if isinstance(node, ast.Import) and node not in idle:
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node not in idle:
            found.append((node.module or "", node))
    return found


def comments(path: Path) -> list[str]:
    """Return the comments of a file, nothing that merely stands in a string."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_the_first_line_says_what_a_file_is_for_and_the_next_the_rule_it_keeps(path: Path) -> None:
    """A reader learns from the first lines what belongs here and what does not."""
    words = ast.get_docstring(tree(path)) or ""
    assert words.split("\n")[0].endswith("."), "the first line must be a sentence"
    if path.name != "__init__.py":
        assert len(re.findall(r"[.:;](\s|$)", words)) > 1, "a second sentence must name the rule it keeps"


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_a_file_and_its_functions_fit_in_the_head(path: Path) -> None:
    """No file passes 300 lines and no function 40: split by noun before that."""
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES_MAX, f"{node.name} is too long"


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_imports_run_one_way(path: Path) -> None:
    """Drivers know nothing of calibration, calibration nothing of the gateway, and the gateway nothing of hil."""
    name = str(path.relative_to(ROOT))
    allowed = set(MAY_IMPORT[name.split("/", 1)[0]])
    if name.startswith(HIL_ENTRY_POINTS):
        allowed.add("gateway")
    for module, node in imports(path):
        room = module.split(".")[0]
        lazily = room == "hil" and name.startswith(LAZY_HIL) and node.col_offset > 0
        assert room not in ROOMS or room in allowed or lazily, f"{name} imports {module}"
        assert not isinstance(node, ast.ImportFrom) or node.level == 0, "imports are absolute"


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_only_listed_edge_files_touch_the_world(path: Path) -> None:
    """A file that imports a socket, a clock or a thread stands in tests/edge_files.txt, and no other does."""
    name = str(path.relative_to(ROOT))
    touched = {module.split(".")[0] for module, _ in imports(path, at_run_time=True)} & WORLD
    assert bool(touched) == (name in EDGE), f"{name} imports {sorted(touched) or 'nothing of the world'}"


def test_the_list_of_edge_files_names_files_that_exist() -> None:
    """The list cannot drift from the tree."""
    assert [name for name in EDGE if not (ROOT / name).is_file()] == []
    assert sorted(EDGE) == EDGE


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_the_wall_clock_is_read_in_one_file(path: Path) -> None:
    """Everything but gateway/clock.py is told the time."""
    if path.relative_to(ROOT).as_posix() != "gateway/clock.py":
        assert not WALL_CLOCK.search(path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_nothing_is_caught_wholesale_and_no_guard_vanishes(path: Path) -> None:
    """No bare or catch-all except, and no assert where python -O would remove a check."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {"all"}
            assert not caught & {"all", "Exception", "BaseException"}, f"line {node.lineno}"
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: raise what is wrong"


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_names_say_something(path: Path) -> None:
    """No util, helper, manager, base, common, misc or handler; and a wait says its unit."""
    assert not EMPTY_NAMES.search(path.stem)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name)
            assert not EMPTY_NAMES.search(words), node.name
        if isinstance(node, ast.arg):
            assert node.arg != "timeout", f"line {node.lineno}: name the unit"


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=[*NAMES, *(str(path.relative_to(ROOT)) for path in TESTS)])
def test_every_exception_to_a_check_carries_its_code_and_a_reason(path: Path) -> None:
    """`type: ignore` and `noqa` name what they silence and why."""
    for comment in comments(path):
        silenced = re.match(r"#\s*(type:\s*ignore|noqa)(.*)", comment)
        if silenced:
            assert REASONED.match(silenced.group(2)), comment


def test_locks_and_papers_hold_no_address_of_a_registry_and_no_path_of_a_machine() -> None:
    """A stranger's machine finds the same packages by name and hash alone."""
    for lock in ROOT.glob("requirements*.lock"):
        assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links", lock.read_text()), lock.name
    papers = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    for paper in papers:
        assert not re.search(r"/(root|home|work|tmp)/|pypi\.org/simple", paper.read_text()), paper.name
