"""Runs a program as a user would and says what it took; describes the machine it ran on."""
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def environment(threads: int) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive", "PYTHONWARNINGS": "ignore"}


def text_of(command: list[str], env: dict[str, str] | None = None) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.strip()


def lines_of(file: pathlib.Path) -> list[dict]:
    """The finished lines of a log that records a step."""
    if not file.exists():
        return []
    finished = file.read_text().rpartition("\n")[0]
    return [entry for entry in map(json.loads, finished.splitlines()) if "loss" in entry]


def watch(process: subprocess.Popen, log: pathlib.Path) -> tuple[list[float], int, "os.struct_rusage"]:
    """Waits for a process and notes when each step's line appeared in its log."""
    arrivals: list[float] = []
    ended = 0
    while not ended:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        arrivals += [time.time()] * (len(lines_of(log)) - len(arrivals))
        time.sleep(0.003)
    process.returncode = os.waitstatus_to_exitcode(status)
    return arrivals, process.returncode, usage


def run(command: list[str], folder: pathlib.Path, threads: int) -> tuple[float, list[float], "os.struct_rusage"]:
    """A command whose step log is `folder`/out/train_log.jsonl: its start, the ends of its steps, its usage."""
    begin = time.time()
    with (folder / "stdout").open("w") as stdout, (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment(threads))
        ends, code, usage = watch(process, folder / "out" / "train_log.jsonl")
    if code != 0:
        sys.exit(f"bench: {' '.join(command)} ended with {code}:\n{(folder / 'stderr').read_text()[-2000:]}")
    return begin, ends, usage


def train_command(peft: pathlib.Path, config: dict, folder: pathlib.Path, threads: int) -> list[str]:
    """`peft train` of a run file written into `folder`, with its output beside it."""
    config["training"]["output_dir"] = str(folder / "out")
    (folder / "run.json").write_text(json.dumps(config))
    return [str(peft), "train", "--config", str(folder / "run.json"), "--device", "cpu", "--threads", str(threads),
            "--no-progress"]


def write_random_rows(file: pathlib.Path, count: int, length: int, vocabulary: int) -> pathlib.Path:
    """Rows of random tokens, all scored."""
    generator = random.Random(0)
    with file.open("w") as rows:
        for _ in range(count):
            rows.write(json.dumps({"input_ids": [generator.randrange(3, vocabulary) for _ in range(length)]}) + "\n")
    return file


def spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def print_machine(peft: pathlib.Path, threads: int, rounds: int) -> None:
    cpu = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in cpu.splitlines() if line.startswith("model name")), "?")
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {flag}" in cpu]
    print(f"machine: {model}, {os.cpu_count()} cores, {' '.join(flags)}, Linux {platform.release()}")
    print(f"peft: {text_of([str(peft), '--version'])}")
    print(f"threads: {threads}, rounds: {rounds}, load before: {os.getloadavg()[0]:.1f}", flush=True)
