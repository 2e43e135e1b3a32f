"""SIGKILL at random instants: a run that is killed up to five times and resumed must leave what an undisturbed one
does, byte for byte."""
import json
import pathlib
import random
import shutil
import subprocess
import time

from .bench import Bench, Tally, differences, finish, has_temporaries, results, steps_done, wait_for

MOST_KILLS_OF_A_RUN = 5

# One of each corner: dropout, packing, accumulation, a step at an epoch's edge, held-out rows.
CELLS = [
    {"r": 4},
    {"r": 4, "lora_dropout": 0.1, "gradient_accumulation_steps": 4},
    {"r": 4, "lora_dropout": 0.1, "packing": "bfd", "max_length": 32, "save_steps": 7},
    {"r": 4, "use_rslora": True, "eval_split_ratio": 0.2, "eval_steps": 6, "save_steps": 9},
    {"r": 4, "use_dora": True, "lora_dropout": 0.1},
]

# What the tiny models need of a method.
OF_METHOD = {
    "ADALORA": {"init_r": 4, "target_r": 2, "tinit": 5, "tfinal": 20, "deltaT": 2},
    "BITFIT": {"base_model": "qwen2"},
    "PROMPT_TUNING": {"num_virtual_tokens": 3},
    "P_TUNING": {"num_virtual_tokens": 3},
    "PREFIX_TUNING": {"num_virtual_tokens": 3},
    "ADAPTION_PROMPT": {"adapter_len": 3, "adapter_layers": 1},
    "VERA": {"r": 8},
    "OFT": {"oft_block_size": 4},
}


def cells_of(program: str) -> list[dict]:
    """The cells, and one for every other method of the program."""
    listed = json.loads(subprocess.run([program, "methods", "--json"], capture_output=True, check=True).stdout)
    names = [method["peft_type"] for method in listed if method["peft_type"] != "LORA"]
    return CELLS + [{"peft_type": name, **OF_METHOD.get(name, {})} for name in names]


def wait_at_random(numbers: random.Random, process: subprocess.Popen, out: pathlib.Path, seconds: float) -> str:
    """Waits for an instant: any, between two steps, or in the middle of a save. Returns what it waited for."""
    where = numbers.choice(["any time", "step", "step", "save"])
    if where == "any time":
        wait_for(lambda: False, process, numbers.uniform(0.02, seconds))
    elif where == "step":
        more = steps_done(out) + numbers.randrange(1, 20)
        wait_for(lambda: steps_done(out) >= more, process, 10)
        time.sleep(numbers.uniform(0, 0.01))
    else:
        wait_for(lambda: has_temporaries(out), process, 10)
        time.sleep(numbers.uniform(0, 0.004))
    return where


def kill_runs(folder: pathlib.Path, program: str, seed: int, kills: int, tally: Tally) -> None:
    bench, numbers, cells = Bench(folder, program), random.Random(seed), cells_of(program)
    numbers.shuffle(cells)  # a few kills meet other cells each time
    expected, seconds = {}, {}
    done = run = 0
    while done < kills:
        cell = run % len(cells)
        if cell not in expected:
            out = bench.folder / f"undisturbed-{cell}"
            begin = time.monotonic()
            finish(bench.train(bench.config(cells[cell], out)))
            expected[cell], seconds[cell] = results(out), time.monotonic() - begin
        out = bench.folder / f"killed-{run}"
        config = bench.config(cells[cell], out)
        planned = min(numbers.randint(1, MOST_KILLS_OF_A_RUN), kills - done)
        places, fault = [], ""
        for _ in range(planned):
            process = bench.train(config)
            places.append(wait_at_random(numbers, process, out, seconds[cell]))
            process.kill()
            process.communicate()
        try:
            finish(bench.train(config))
            fault = differences(results(out), expected[cell])
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            fault = str(error)
        for _ in range(planned):  # every kill of a run stands or falls with it
            tally.count(fault and f"{cells[cell]}, run {run}, killed at {places}: {fault}")
        if not fault:
            shutil.rmtree(out)
        done, run = done + planned, run + 1
    print(f"{kills} kills over {min(run, len(cells))} of {len(cells)} cells", flush=True)
