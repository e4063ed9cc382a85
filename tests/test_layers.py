"""What import-linter cannot see: names, where its contracts in `pyproject.toml` are about modules."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "tabkd"


def private_names(path: Path) -> list[str]:
    """What a file imports of scikit-learn under a private name."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found += [name for name in names if name.startswith("sklearn.") and "._" in name]
    return found


def test_one_module_imports_the_private_names_of_sklearn():
    importers = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if private_names(path)}
    assert importers == {"_sklearn.py"}
