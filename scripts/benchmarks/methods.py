"""Speed and memory of every method relative to plain LoRA, in one run.

Rows of `length` random tokens in batches of `batch`, float32, the adapter's defaults. LoRA stands on all linear layers
(the default here) and on the query and value projections (PEFT's); DoRA and AdaLoRA are compared with the LoRA that has
their targets, everything else with the first. Tokens are real ones: virtual tokens are not counted. Shares are of each
method's fastest step, which other work on the machine disturbs least.
"""
import argparse
import dataclasses
import json
import pathlib
import statistics
import tempfile

from .process import lines_of, run, spread, train_command, write_random_rows


@dataclasses.dataclass
class Entry:
    """A method with its settings, the entry it is compared with, and the least share of its speed that is asked for."""

    name: str
    adapter: dict
    beside: str = "lora"
    least: float | None = None


QUERY_VALUE = {"target_modules": ["q_proj", "v_proj"]}
VIRTUAL = {"num_virtual_tokens": 100}
LORA = {"peft_type": "LORA", "r": 16}
ADALORA = {"peft_type": "ADALORA", "init_r": 16, "target_r": 8}
ENTRIES = [
    Entry("lora", LORA),
    Entry("rslora", LORA | {"use_rslora": True}),
    Entry("dora", LORA | {"use_dora": True}, least=0.93),
    Entry("adalora", ADALORA, least=0.95),
    Entry("lora q, v", LORA | QUERY_VALUE),
    Entry("dora q, v", LORA | {"use_dora": True} | QUERY_VALUE, beside="lora q, v"),
    Entry("adalora q, v", ADALORA | QUERY_VALUE, beside="lora q, v"),
    Entry("ia3", {"peft_type": "IA3"}, least=1.0),
    Entry("houlsby", {"peft_type": "HOULSBY"}, least=0.95),
    Entry("pfeiffer", {"peft_type": "PFEIFFER"}),
    Entry("parallel", {"peft_type": "PARALLEL"}),
    Entry("prefix_tuning", {"peft_type": "PREFIX_TUNING"} | VIRTUAL, least=1.0),
    Entry("llama_adapter", {"peft_type": "ADAPTION_PROMPT", "adapter_len": 10, "adapter_layers": 30}, least=0.95),
    Entry("prompt_tuning", {"peft_type": "PROMPT_TUNING"} | VIRTUAL, least=0.85),
    Entry("p_tuning", {"peft_type": "P_TUNING"} | VIRTUAL, least=0.85),
    Entry("ln_tuning", {"peft_type": "LN_TUNING"}),
    Entry("vera", {"peft_type": "VERA"}),
    Entry("oft", {"peft_type": "OFT"}),
    Entry("full", {"peft_type": "FULL"}),
]


def config_of(args: argparse.Namespace, entry: Entry, rows: pathlib.Path) -> dict:
    return {
        "model": {"name_or_path": str(args.model), "dtype": "float32"},
        "adapter": dict(entry.adapter),
        "data": {"train": str(rows), "format": "tokens", "shuffle": False, "packing": "none"},
        "training": {"per_device_train_batch_size": args.batch, "gradient_accumulation_steps": 1,
                     "gradient_checkpointing": False, "max_steps": args.steps, "save_steps": 0}}


def measure(args: argparse.Namespace, entry: Entry, rows: pathlib.Path) -> tuple[float, int]:
    """Real tokens per second of the fastest step, and peak bytes."""
    with tempfile.TemporaryDirectory(prefix="peft-bench-") as name:
        folder = pathlib.Path(name)
        command = train_command(args.peft, config_of(args, entry, rows), folder, args.threads)
        _, ends, usage = run(command, folder, args.threads)
        assert len(lines_of(folder / "out" / "train_log.jsonl")) == args.steps
    gaps = [after - before for before, after in zip(ends, ends[1:])]
    return args.batch * args.length / min(gaps), usage.ru_maxrss * 1024


def print_table(entries: list[Entry], rates: dict[str, list[float]], peaks: dict[str, list[int]]) -> bool:
    print("\n| method | tokens/s | of LoRA | asked for | peak GB | of LoRA |\n|---|---|---|---|---|---|")
    good = True
    for entry in entries:
        speed = max(rates[entry.name]) / max(rates[entry.beside])
        memory = statistics.median(peaks[entry.name]) / statistics.median(peaks[entry.beside])
        good = good and (entry.least is None or speed >= entry.least)
        asked = "-" if entry.least is None else f">= {entry.least:.2f}{'' if speed >= entry.least else ' MISSED'}"
        gigabytes = [peak / 1e9 for peak in peaks[entry.name]]
        print(f"| {entry.name} | {spread(rates[entry.name], 1)} | {speed:.3f} | {asked} | {spread(gigabytes, 2)} | {memory:.2f} |")
    return good


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=210)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--only", action="append", choices=[entry.name for entry in ENTRIES], default=[])


def main(args: argparse.Namespace) -> None:
    entries = [entry for entry in ENTRIES if not args.only or entry.name in args.only]
    needed = {entry.beside for entry in entries}
    entries = [entry for entry in ENTRIES if entry in entries or entry.name in needed]
    vocabulary = json.loads((args.model / "config.json").read_text())["vocab_size"]
    rates: dict[str, list[float]] = {entry.name: [] for entry in entries}
    peaks: dict[str, list[int]] = {entry.name: [] for entry in entries}
    with tempfile.TemporaryDirectory(prefix="peft-bench-") as folder:
        rows = write_random_rows(pathlib.Path(folder) / "rows.jsonl", args.batch * args.steps, args.length, vocabulary)
        for _ in range(args.rounds):
            for entry in entries:
                rate, peak = measure(args, entry, rows)
                rates[entry.name].append(rate)
                peaks[entry.name].append(peak)
                print(f"  {entry.name}: {rate:.1f} tokens/s, {peak / 1e9:.2f} GB", flush=True)
    print(f"\n{args.batch} rows of {args.length} tokens, {args.steps} steps")
    raise SystemExit(0 if print_table(entries, rates, peaks) else 1)
