"""`peft train` beside Hugging Face PEFT: LoRA r16 on all linear layers, AdamW, the same adapter, rows, order and labels.

The two sides alternate. No time is printed before the losses and gradient norms of the first step agree to 1e-3.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from .process import environment, lines_of, run, spread, text_of, train_command

REFERENCE = pathlib.Path(__file__).resolve().parent / "huggingface.py"
SIDES = ("peft", "reference")
TOLERANCE = 1e-3
SIDES = ("peft", "reference")


@dataclasses.dataclass
class Work:
    """Rows in batches of `batch`, so many steps, in a dtype per side."""

    name: str
    rows: str
    batch: int
    steps: int
    dtypes: dict[str, str]
    sides: tuple[str, ...] = SIDES


FLOAT32 = {"peft": "float32", "reference": "float32"}
WORKS = [
    Work("fixed", "fixed.jsonl", batch=4, steps=5, dtypes=FLOAT32),
    Work("chat", "chat.jsonl", batch=8, steps=4, dtypes=FLOAT32),
    Work("start", "start.jsonl", batch=1, steps=1, dtypes=FLOAT32),
    Work("bfloat16", "fixed.jsonl", batch=4, steps=5, dtypes={"peft": "auto"}, sides=("peft",)),
    Work("bfloat16-reference", "start.jsonl", batch=1, steps=1, dtypes={"reference": "bfloat16"}, sides=("reference",)),
]


@dataclasses.dataclass
class Run:
    """What one process showed."""

    loss: float  # of the first step
    grad_norm: float
    rate: float  # real tokens per second, median of the steps after the first (of the only one, if it is alone)
    first_step: float  # seconds from exec to the end of the first optimizer step
    peak: int  # bytes
    cpu: float  # user seconds


def row_lengths(file: pathlib.Path) -> list[int]:
    return [len(json.loads(line)["input_ids"]) for line in file.read_text().splitlines()]


def peft_command(args: argparse.Namespace, work: Work, folder: pathlib.Path) -> list[str]:
    config = {
        "model": {"name_or_path": str(args.model), "dtype": work.dtypes["peft"]},
        "adapter": {"path": str(args.folder / "adapter")},
        "data": {"train": str(args.folder / work.rows), "format": "tokens", "shuffle": False, "packing": "none"},
        "training": {"per_device_train_batch_size": work.batch, "gradient_accumulation_steps": 1,
                     "max_steps": work.steps, "learning_rate": 1e-4, "lr_scheduler_type": "constant",
                     "warmup_steps": 0, "weight_decay": 0.0, "max_grad_norm": 1.0}}
    return train_command(args.peft, config, folder, args.threads)


def reference_command(args: argparse.Namespace, work: Work, folder: pathlib.Path) -> list[str]:
    job = {"model": str(args.model), "adapter": str(args.folder / "adapter"), "rows": str(args.folder / work.rows),
           "dtype": work.dtypes["reference"], "batch": work.batch, "steps": work.steps, "threads": args.threads}
    (folder / "job.json").write_text(json.dumps(job))
    return [args.python, str(REFERENCE), "train", str(folder / "job.json")]


def measure(args: argparse.Namespace, work: Work, side: str) -> Run:
    with tempfile.TemporaryDirectory(prefix="peft-bench-") as name:
        folder = pathlib.Path(name)
        command = (peft_command if side == "peft" else reference_command)(args, work, folder)
        begin, ends, usage = run(command, folder, args.threads)
        if side == "peft":
            steps = lines_of(folder / "out" / "train_log.jsonl")
        else:
            steps = json.loads((folder / "stdout").read_text())["steps"]
            ends = [step["ended"] for step in steps]
    if len(ends) != work.steps:
        sys.exit(f"bench: {side} made {len(ends)} steps on {work.name}, {work.steps} were asked for")
    lengths = row_lengths(args.folder / work.rows)
    tokens = [sum(lengths[step * work.batch:(step + 1) * work.batch]) for step in range(work.steps)]
    rates = [tokens[step] / (ends[step] - ends[step - 1]) for step in range(1, work.steps)]
    alone = tokens[0] / steps[0]["seconds"] if side == "reference" else steps[0]["tokens_per_second"]
    return Run(loss=steps[0]["loss"], grad_norm=steps[0]["grad_norm"], rate=statistics.median(rates or [alone]),
               first_step=ends[0] - begin, peak=usage.ru_maxrss * 1024, cpu=usage.ru_utime)


def check_parity(work: Work, runs: dict[str, list[Run]]) -> None:
    """Two programs that compute different things have no ratio."""
    for key in ("loss", "grad_norm"):
        ours, theirs = getattr(runs["peft"][0], key), getattr(runs["reference"][0], key)
        if abs(ours - theirs) > TOLERANCE * abs(theirs):
            sys.exit(f"bench: {work.name}: the first step's {key} differs: peft {ours}, reference {theirs}")


def measure_work(args: argparse.Namespace, work: Work) -> dict[str, list[Run]]:
    sides = [side for side in work.sides if not args.only_side or side == args.only_side]
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for round_number in range(args.rounds):
        for side in sides:
            runs[side].append(measure(args, work, side))
            print(f"  {work.name} {round_number + 1}/{args.rounds} {side}: {runs[side][-1]}", file=sys.stderr)
        if round_number == 0 and len(sides) == 2:
            check_parity(work, runs)
    return runs


def median(runs: list[Run], key: str) -> float:
    return statistics.median(getattr(run, key) for run in runs)


def print_row(title: str, ours: list[Run], theirs: list[Run], key: str, unit: float = 1.0, digits: int = 1) -> None:
    cells = [spread([getattr(run, key) / unit for run in runs], digits) if runs else "-" for runs in (theirs, ours)]
    ratio = f"{median(ours, key) / median(theirs, key):.2f} x" if ours and theirs else "-"
    print(f"| {title} | {cells[0]} | {cells[1]} | {ratio} |")


def print_table(results: dict[str, dict[str, list[Run]]]) -> None:
    def of(work: str, side: str) -> list[Run]:
        return results.get(work, {}).get(side, [])

    print("\n| work | reference | peft | peft / reference |\n|---|---|---|---|")
    for work, title in (("fixed", "4 x 256 random tokens, all scored"), ("chat", "chat rows, batch 8, prompts masked")):
        if work in results:
            ours, theirs = of(work, "peft"), of(work, "reference")
            print_row(f"{title}: useful tokens/s", ours, theirs, "rate")
            print_row("the same: peak resident memory, GB", ours, theirs, "peak", 1e9, 2)
            print_row("the same: user CPU seconds of the whole process", ours, theirs, "cpu")
    if "start" in results:
        print_row("exec to the end of the first step, 1 x 64 tokens, s", of("start", "peft"), of("start", "reference"),
                  "first_step", digits=2)
    if "bfloat16" in results:
        print_row("bfloat16 checkpoint, dtype as it comes: tokens/s", of("bfloat16", "peft"),
                  of("bfloat16-reference", "reference"), "rate")
        if of("fixed", "peft") and of("bfloat16", "peft"):
            share = median(of("bfloat16", "peft"), "rate") / median(of("fixed", "peft"), "rate")
            print(f"\nA bfloat16 checkpoint with dtype auto runs at {share:.2f} x the speed of float32.")


def print_reference(args: argparse.Namespace) -> None:
    versions = "import torch, transformers, peft; print(torch.__version__, transformers.__version__, peft.__version__)"
    print(f"reference: torch, transformers, peft {text_of([args.python, '-c', versions])}")
    ceiling = text_of([args.python, str(REFERENCE), "ceiling", str(args.threads)], environment(args.threads))
    print(f"float32 matrix product of torch: {json.loads(ceiling)['gflops']:.0f} GFLOP/s", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--python", default=os.environ.get("PEFT_REFERENCE_PYTHON"),
                        help="of an environment with torch, transformers and peft; also PEFT_REFERENCE_PYTHON")
    parser.add_argument("--data", type=pathlib.Path, help="instruction rows for the work on chat rows, left out without it")
    parser.add_argument("--only", action="append", choices=[work.name for work in WORKS], default=[])
    parser.add_argument("--only-side", choices=SIDES, help="measure one side alone, without the check of equal losses")


def main(args: argparse.Namespace) -> None:
    if not args.python:
        sys.exit("bench: no reference: give --python or set PEFT_REFERENCE_PYTHON")
    print_reference(args)
    with tempfile.TemporaryDirectory(prefix="peft-bench-") as folder:
        args.folder = pathlib.Path(folder)
        prepare = [args.python, str(REFERENCE), "prepare", str(args.model), folder]
        subprocess.run(prepare + ([str(args.data)] if args.data else []), check=True, capture_output=True)
        works = [work for work in WORKS if (not args.only or work.name in args.only)
                 and (args.folder / work.rows).exists() and (not args.only_side or args.only_side in work.sides)]
        print_table({work.name: measure_work(args, work) for work in works})
