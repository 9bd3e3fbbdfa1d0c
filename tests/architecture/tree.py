"""The source tree as the architecture tests see it; each rule returns what breaks it."""

import ast
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("core", "handlers", "infra")
PURE_LIBRARIES = {"cronsim"}
OUTSIDE_WORLD = {
    "asyncio",
    "http",
    "logging",
    "multiprocessing",
    "os",
    "signal",
    "smtplib",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc", "shared"}
MAY_HOLD_SQL = {
    "infra/postgres/migrator.py",  # works before the schema exists that the files are checked by
}
STATEMENT = re.compile(
    r"\s*(SELECT|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|WITH\s+\S+\s+AS"
    r"|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|SCHEMA|VIEW|TYPE|FUNCTION)|TRUNCATE|LOCK\s+TABLE)\b"
)
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|ruff:\s*noqa|pragma:\s*no cover|mypy:)")
EXPLAINED = re.compile(
    r"#\s*((ruff:\s*)?noqa:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*"
    r"|type:\s*ignore\[[a-z, -]+\]|pragma:\s*no cover)"
    r"[\s#(:-]+.*\w{3,}"
)


def sources(root: Path, *folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]
    assert found, f"no sources in {folders} below {root}"
    return found


def module_name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def at(root: Path, path: Path, line: int) -> str:
    return f"{path.relative_to(root)}:{line}"


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def inits_with_code(root: Path) -> list[str]:
    inits = [path for path in sources(root, *PRODUCT, "tests") if path.name == "__init__.py"]
    return [at(root, path, 1) for path in inits if not _is_one_docstring(parse(path).body)]


def _is_one_docstring(body: list[ast.stmt]) -> bool:
    match body:
        case [ast.Expr(value=ast.Constant(value=str()))]:
            return True
        case _:
            return False


def folders_without_init(root: Path) -> list[str]:
    folders = {path.parent for path in sources(root, *PRODUCT, "tests")}
    return sorted(
        str(folder.relative_to(root)) for folder in folders if not (folder / "__init__.py").exists()
    )


def impure_imports_of_core(root: Path) -> list[str]:
    """Core may import itself, the standard library without its doors, and pure libraries."""
    return [
        f"{at(root, path, line)} imports {name}"
        for path in sources(root, "core")
        for name, line in _imports(parse(path))
        if not _may_be_in_core(root, path, name)
    ]


def _may_be_in_core(root: Path, path: Path, name: str) -> bool:
    top = name.split(".", maxsplit=1)[0]
    if path == root / "core" / "run.py" and name.startswith("handlers.cli"):
        return True
    if top in OUTSIDE_WORLD or name.startswith("urllib.request"):
        return False
    return top == "core" or top in PURE_LIBRARIES or top in sys.stdlib_module_names


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module, node.lineno
            case _:
                pass


def hidden_imports(root: Path) -> list[str]:
    """`TYPE_CHECKING` hides cycles from the contracts, relative imports hide them from readers."""
    return [
        at(root, path, getattr(node, "lineno", 1))
        for path in sources(root, *PRODUCT, "tests")
        for node in ast.walk(parse(path))
        if _hides(node)
    ]


def _hides(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
        case ast.alias(name="TYPE_CHECKING"):
            return True
        case ast.ImportFrom(level=level):
            return level > 0
        case _:
            return False


def empty_names(root: Path) -> list[str]:
    paths = sources(root, *PRODUCT, "tests")
    return [
        str(path.relative_to(root))
        for path in paths
        if EMPTY_NAMES & set(path.relative_to(root).with_suffix("").parts)
    ]


def sql_in_python(root: Path) -> list[str]:
    return [
        at(root, path, line)
        for path in sources(root, *PRODUCT)
        if path.relative_to(root).as_posix() not in MAY_HOLD_SQL
        for line, literal in _literals(parse(path))
        if STATEMENT.match(literal)
    ]


def _literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """String literals that are not docstrings, an f-string with `x` for its fields."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(literal)) if id(node) not in docstrings:
                yield node.lineno, literal
            case ast.JoinedStr(values=values):
                yield node.lineno, "".join(_text(value) for value in values)
            case _:
                pass


def _text(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "x"


def unexplained_suppressions(root: Path, *folders: str) -> list[str]:
    """A suppression names its rule and says why: `# noqa: S105  (a reason, not a credential)`."""
    return [
        f"{at(root, path, line)} {comment}"
        for path in sources(root, *folders)
        for line, comment in _comments(path)
        if SUPPRESSION.search(comment) and not EXPLAINED.search(comment)
    ]


def _comments(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def function_sizes(root: Path, paths: Iterable[Path]) -> list[tuple[int, str]]:
    """Lines of each function with where it is, the longest first."""
    sizes = [
        ((node.end_lineno or node.lineno) - node.lineno + 1, f"{at(root, path, node.lineno)}")
        for path in paths
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return sorted(sizes, reverse=True)


def workers(root: Path) -> set[str]:
    """Modules of handlers that Lambda can call; those of a worker offer `run_once` as well."""
    return {
        f"handlers/{path.stem}.handler"
        for path in (root / "handlers").glob("*.py")
        if "handler" in _functions(parse(path))
    }


def _functions(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def deployed(root: Path) -> set[str]:
    service = yaml.safe_load(_without_tags((root / "serverless.yml").read_text("utf-8")))
    return {function["handler"] for function in service["functions"].values()}


def _without_tags(text: str) -> str:
    """CloudFormation's `!GetAtt` and `!Ref` are no YAML that a safe loader knows."""
    return re.sub(r"!(GetAtt|Ref) ", "", text)


def workers_not_deployed(root: Path) -> list[str]:
    return sorted(workers(root) ^ deployed(root))
