"""What mkdocs builds the site with: pages that stand elsewhere in the checkout, and links to them.

A link `../CONTRIBUTING.md` works where the pages are read in the checkout. In the site that page
is `contributing.md`.
"""

from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "benchmarks/RESULTS.md": "measurements.md",
    **{
        path.relative_to(ROOT).as_posix(): f"reports/{path.name}"
        for path in sorted((ROOT / "benchmarks/reports").glob("*.md"))
    },
}


def on_files(files: Files, config) -> Files:
    """Adds the pages that stand elsewhere."""
    for path, name in ELSEWHERE.items():
        files.append(File.generated(config, name, content=(ROOT / path).read_text()))
    return files


def on_page_markdown(markdown: str, **_) -> str:
    """Points links to pages that stand elsewhere at their place in the site."""
    for path, name in ELSEWHERE.items():
        markdown = markdown.replace(f"(../{path}", f"({name}")
    return markdown.replace("(../docs/", "(").replace("(docs/", "(")
