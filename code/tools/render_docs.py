"""Write what is made from the records in parameters/: params.json, params.schema.json and the README's tables.

usage: python tools/render_docs.py [--check]   (--check writes nothing and exits 1 when something is out of date)
"""

import sys
from pathlib import Path

CODE_FOLDER = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CODE_FOLDER))

from ephys_postprocess.parameters.docs import (  # noqa: E402
    columns_table,
    json_schema,
    readme_table,
    shipped_document,
    to_json,
)

TABLES = {"parameters": readme_table, "columns": columns_table}


def rendered_files(code_folder: Path = CODE_FOLDER) -> dict[Path, str]:
    """Path → text of every file that is made from the declaration."""
    readme = code_folder.parent / "README.md"
    files = {
        code_folder / "params.json": to_json(shipped_document()),
        code_folder / "params.schema.json": to_json(json_schema()),
    }
    if readme.exists():  # the pipeline keeps code/ alone
        files[readme] = with_tables(readme.read_text(encoding="utf-8"))
    return files


def with_tables(readme: str) -> str:
    """The README with today's tables between their markers."""
    for name, table in TABLES.items():
        start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
        before, rest = readme.split(start, 1)
        readme = f"{before}{start}\n{table()}\n{end}{rest.split(end, 1)[1]}"
    return readme


def main() -> int:
    """Write the files, or say which are out of date."""
    is_check = "--check" in sys.argv[1:]
    stale = [
        path for path, text in rendered_files().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        print(f"{'out of date' if is_check else 'written'}: {path.name}")
        if not is_check:
            path.write_text(rendered_files()[path], encoding="utf-8")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
