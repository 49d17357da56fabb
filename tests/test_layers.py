"""Imports between the rooms of jcl point down, never up and never sideways."""

import ast
from pathlib import Path

import jcl

PACKAGE = Path(jcl.__file__).parent

# From the doors down to the ground. A room is a folder or a file at the root of the package; it may
# import rooms of lower layers, and its own files.
LAYERS = (
    ("__init__", "evaluate", "export", "runs", "train"),
    ("evaluation", "plan"),
    ("experiment", "report"),
    ("probes", "training"),
    ("methods",),
    ("data", "weights"),
    ("augment", "losses", "models", "optim", "runtime"),
    ("config", "cost", "mesh"),
    ("errors", "warn_once"),
)


def room(module: str) -> str:
    """`losses` of `jcl.losses.engine.pairwise`; `__init__` of `jcl` itself."""
    return [*module.split("."), "__init__"][1]


def modules(root: Path, package: str) -> dict[str, Path]:
    found = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join((package, *(p for p in parts if p != "__init__")))] = path
    return found


def imports(path: Path, known: dict[str, Path], package: str) -> set[str]:
    """Modules of the package that a file imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            # `from jcl.training import step` imports a module, `import Step` from it a name.
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                found.add(module if module in known else node.module)
    return {name for name in found if name.split(".")[0] == package}


def arrows_that_do_not_point_down(root: Path, package: str, layers) -> list[str]:
    height = {name: -i for i, names in enumerate(layers) for name in names}
    known, wrong = modules(root, package), []
    for module, path in known.items():
        for imported in imports(path, known, package):
            here, there = room(module), room(imported)
            if here != there and height[here] <= height[there]:
                wrong.append(f"{module} -> {imported}")
    return sorted(wrong)


def circles(root: Path, package: str) -> list[str]:
    """Modules that reach themselves through imports."""
    known = modules(root, package)
    graph = {name: imports(path, known, package) & known.keys() for name, path in known.items()}

    def reached(start):
        seen, waiting = set(), [start]
        while waiting:
            fresh = graph[waiting.pop()] - seen
            seen |= fresh
            waiting += fresh
        return seen

    return sorted(name for name in graph if name in reached(name))


def test_every_room_has_a_layer():
    rooms = {room(module) for module in modules(PACKAGE, "jcl")}
    assert rooms == {name for names in LAYERS for name in names}


def test_imports_point_down():
    assert arrows_that_do_not_point_down(PACKAGE, "jcl", LAYERS) == []


def test_no_module_imports_itself_by_a_detour():
    assert circles(PACKAGE, "jcl") == []


def test_an_import_that_points_up_is_found(tmp_path):
    (tmp_path / "low.py").write_text("def f():\n    from house import high\n")
    (tmp_path / "high.py").write_text("from house.low import f\n")
    (tmp_path / "__init__.py").write_text("")
    layers = (("__init__", "high"), ("low",))
    assert arrows_that_do_not_point_down(tmp_path, "house", layers) == ["house.low -> house.high"]
    assert circles(tmp_path, "house") == ["house.high", "house.low"]
