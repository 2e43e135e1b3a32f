#!/usr/bin/env python3
"""Makes the committed test fixtures again: tiny models, adapters and the numbers the reference computes with them.

    python scripts/make_fixtures.py [PART...]

Needs an interpreter with torch, transformers, peft and safetensors (the product never does). Every part is a module of
`scripts/fixtures` with one function `make(fixtures: pathlib.Path)` that writes below `tests/fixtures` and keeps its own
seed, so that making a fixture twice gives the same bytes on the same machine. Without arguments all parts are made.
"""
import importlib
import os
import pathlib
import sys

# Set before torch is imported: one thread keeps the order of every sum, and nothing may look for a network.
os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
# The first two write models that the next four read.
PARTS = ["models", "classifiers", "classifier_runs", "training", "methods", "combinations", "chat_templates", "masks",
         "family_masks", "plain_text", "gguf", "gguf_architectures", "pickles", "tiny_tokenizers", "real_tokenizers", "parquet"]


def main() -> None:
    unknown = [part for part in sys.argv[1:] if part not in PARTS]
    if unknown:
        sys.exit(f"make_fixtures.py: unknown part {unknown[0]!r}; the parts are {', '.join(PARTS)}")
    for part in sys.argv[1:] or PARTS:
        importlib.import_module(f"fixtures.{part}").make(ROOT / "tests" / "fixtures")
        print(f"made {part}")


if __name__ == "__main__":
    main()
