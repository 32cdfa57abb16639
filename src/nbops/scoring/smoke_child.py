"""The clean process of the smoke score: reads the question from standard input, answers in one line of JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    """``{"model", "format", "rows", "allow"}`` → ``{"rows", "digest", "error"}``."""
    from nbops.modelfiles.load import load
    from nbops.scoring.prediction import evaluation_digest

    asked = json.load(sys.stdin)
    try:
        model = load(Path(asked["model"]), asked["format"], allow=tuple(asked["allow"]))
        rows, digest = evaluation_digest(model, Path(asked["rows"]))
        answer = {"rows": rows, "digest": digest, "error": None}
    except Exception as error:  # noqa: BLE001 - whatever a model raises when loaded or asked is the answer
        answer = {"rows": 0, "digest": None, "error": f"{type(error).__name__}: {error}"}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
