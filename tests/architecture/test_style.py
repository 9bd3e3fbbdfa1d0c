"""What the linter cannot say of how code reads."""

import statistics

from tests.architecture import tree


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert tree.empty_names(tree.ROOT) == []


def test_sql_stands_in_sql_files() -> None:
    assert tree.sql_in_python(tree.ROOT) == []


def test_every_suppression_names_its_rule_and_its_reason() -> None:
    assert tree.unexplained_suppressions(tree.ROOT, *tree.PRODUCT, "tests", "tools") == []


def test_functions_and_files_stay_small() -> None:
    paths = tree.sources(tree.ROOT, *tree.PRODUCT)

    functions = tree.function_sizes(tree.ROOT, paths)
    files = sorted(
        (
            (len(path.read_text("utf-8").splitlines()), str(path.relative_to(tree.ROOT)))
            for path in paths
        ),
        reverse=True,
    )
    print(f"{len(functions)} functions, the longest: {functions[:10]}")
    print(f"{len(files)} files, the longest: {files[:10]}")

    assert statistics.quantiles([size for size, _ in functions], n=10)[-1] <= 30
    assert statistics.median(size for size, _ in functions) <= 10
    assert [entry for entry in files if entry[0] > 450] == []
