"""Write what is made from the declarations: params.json, its schema, and two pages in docs/ (parameters, columns).

usage: python tools/render_docs.py [--check]   (--check writes nothing and exits 1 when something is out of date)
"""

import sys
from pathlib import Path

CODE_FOLDER = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CODE_FOLDER))

from ephys_postprocess.parameters.docs import (  # noqa: E402
    dictionary_page,
    json_schema,
    parameters_page,
    shipped_document,
    to_json,
)


def rendered_files(code_folder: Path = CODE_FOLDER) -> dict[Path, str]:
    """Path → text of every file that is made from the declarations."""
    return {
        code_folder / "params.json": to_json(shipped_document()),
        code_folder / "params.schema.json": to_json(json_schema()),
        code_folder / "docs" / "parameters.md": parameters_page(),
        code_folder / "docs" / "data_dictionary.md": dictionary_page(),
    }


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
