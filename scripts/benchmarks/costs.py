"""What safety costs: checkpoints, guards, resuming, and gradient checkpointing.

LoRA r16 on all linear layers, float32. A checkpoint's cost is what it adds to the step it follows; by default one is
written every 15 minutes. The guards are timed by peft_guards_bench (ninja peft_guards_bench) at this model's size and
set against a measured step; they are left out where it is not built.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from .process import environment, run, spread, train_command, write_random_rows

DEFAULT_INTERVAL = 15 * 60  # seconds between checkpoints
LENGTH = 256
BATCH = 4


def config_of(args: argparse.Namespace, rows: pathlib.Path, **training) -> dict:
    return {
        "model": {"name_or_path": str(args.model), "dtype": "float32"},
        "adapter": {"peft_type": "LORA", "r": 16, "target_modules": "all-linear"},
        "data": {"train": str(rows), "format": "tokens", "shuffle": False, "packing": "none"},
        "training": {"per_device_train_batch_size": BATCH, "gradient_accumulation_steps": 1, "save_steps": 0,
                     "gradient_checkpointing": False} | training}


def gaps(ends: list[float]) -> list[float]:
    return [after - before for before, after in zip(ends[1:], ends[2:])]


def checkpoint_cost(args: argparse.Namespace, rows: pathlib.Path) -> tuple[float, float]:
    """Seconds of a step, and of a checkpoint after it."""
    times = {}
    for every in (0, 1):
        with tempfile.TemporaryDirectory(prefix="peft-bench-") as name:
            folder = pathlib.Path(name)
            config = config_of(args, rows, max_steps=args.steps, save_steps=every)
            _, ends, _ = run(train_command(args.peft, config, folder, args.threads), folder, args.threads)
            times[every] = statistics.median(gaps(ends))
    return times[0], times[1] - times[0]


def start_times(args: argparse.Namespace, rows: pathlib.Path) -> tuple[float, float]:
    """Seconds from exec to the end of the first step, of a fresh run and of a resumed one."""
    with tempfile.TemporaryDirectory(prefix="peft-bench-") as name:
        folder = pathlib.Path(name)
        config = config_of(args, rows, max_steps=1)
        begin, ends, _ = run(train_command(args.peft, config, folder, args.threads), folder, args.threads)
        fresh = ends[0] - begin
        config["training"]["max_steps"] = 2
        command = train_command(args.peft, config, folder, args.threads) + ["--allow-changed=training.max_steps"]
        begin, ends, _ = run(command, folder, args.threads)
        return fresh, ends[1] - begin


def checkpointing(args: argparse.Namespace, rows: pathlib.Path, on: bool) -> tuple[float, float]:
    """Seconds of a step and peak bytes."""
    with tempfile.TemporaryDirectory(prefix="peft-bench-") as name:
        folder = pathlib.Path(name)
        config = config_of(args, rows, max_steps=args.steps, gradient_checkpointing=on)
        _, ends, usage = run(train_command(args.peft, config, folder, args.threads), folder, args.threads)
        return statistics.median(gaps(ends)), usage.ru_maxrss * 1024


def guard_seconds(args: argparse.Namespace) -> dict[str, float]:
    """Seconds per call, by guard."""
    program = args.guards or next(iter(sorted(args.peft.parent.rglob("peft_guards_bench"))), None)
    if program is None:
        return {}
    command = [str(program), f"--model={args.model}", "--benchmark_format=json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(args.threads))
    if done.returncode != 0:
        sys.exit(f"bench: {done.stderr[-2000:]}")
    unit = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
    return {entry["name"]: entry["real_time"] * unit[entry["time_unit"]] for entry in json.loads(done.stdout)["benchmarks"]}


def print_guards(guards: dict[str, float], step: float) -> None:
    if not guards:
        print("| guards | not measured: ninja peft_guards_bench | | |")
        return
    every = sum(seconds for name, seconds in guards.items() if name.startswith("step/"))
    for name, seconds in guards.items():
        print(f"| guard {name} | {1e3 * seconds:.3f} ms | | |")
    print(f"| guards of every step together, share of a step | {100 * every / step:.3f} % | <= 1 % | {verdict(every / step, 0.01)} |")


def verdict(value: float, most: float) -> str:
    return "ok" if value <= most else "MISSED"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--guards", type=pathlib.Path, help="peft_guards_bench; by default looked for beside peft")


def main(args: argparse.Namespace) -> None:
    vocabulary = json.loads((args.model / "config.json").read_text())["vocab_size"]
    with tempfile.TemporaryDirectory(prefix="peft-bench-") as folder:
        rows = write_random_rows(pathlib.Path(folder) / "rows.jsonl", BATCH * args.steps, LENGTH, vocabulary)
        rounds = [(checkpoint_cost(args, rows), start_times(args, rows), checkpointing(args, rows, False),
                   checkpointing(args, rows, True)) for _ in range(args.rounds)]
    steps, saves = zip(*(costs for costs, _, _, _ in rounds))
    fresh, resumed = zip(*(starts for _, starts, _, _ in rounds))
    step = statistics.median(steps)
    share = statistics.median(saves) / DEFAULT_INTERVAL
    later = statistics.median(after / before for before, after in zip(fresh, resumed))
    slower = statistics.median(on[0] / off[0] for _, _, off, on in rounds)
    memory = [[run[kind][1] / 1e9 for run in rounds] for kind in (2, 3)]
    print(f"\n{BATCH} rows of {LENGTH} tokens, {args.steps} steps\n\n| cost | measured | asked for | |\n|---|---|---|---|")
    print(f"| a step, s | {spread(list(steps), 2)} | | |")
    print(f"| a checkpoint, s | {spread(list(saves), 3)} | | |")
    print(f"| checkpoints at the default interval, share of the run | {100 * share:.3f} % | <= 1 % | {verdict(share, 0.01)} |")
    print(f"| exec to the end of the first step, fresh, s | {spread(list(fresh), 2)} | | |")
    print(f"| the same, resumed, s | {spread(list(resumed), 2)} | | |")
    print(f"| resumed / fresh | {later:.2f} x | <= 1.3 x | {verdict(later, 1.3)} |")
    print(f"| gradient checkpointing: time of a step | {slower:.2f} x | | |")
    print(f"| peak memory without, with, GB | {spread(memory[0], 2)}, {spread(memory[1], 2)} | | |")
    print_guards(guard_seconds(args), step)
