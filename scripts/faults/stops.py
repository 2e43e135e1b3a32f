"""Signals that ask a run to stop (TERM, HUP, USR1, USR2, INT), at random times in every phase: the run must end soon,
with 75 (INT: 130) or because it was done, leave nothing half-written, and go on to the bytes of an undisturbed one."""
import ctypes
import pathlib
import random
import select
import shutil
import signal
import subprocess
import time

from .bench import (Bench, Tally, differences, finish, has_temporaries, results, steps_done, temporaries, wait_for,
                    write_model, write_rows)

SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT]
MOST_SECONDS = 5.0        # from the signal to the end: a micro-step and a save
MOST_SECONDS_TWICE = 0.5  # after a second Ctrl-C
IN_OPEN = 0x20


class Opening:
    """Tells when somebody opens a file (inotify)."""

    def __init__(self, file: pathlib.Path):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self.libc.inotify_init1(0)
        if self.libc.inotify_add_watch(self.descriptor, bytes(file), IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), "inotify", str(file))

    def wait(self, seconds: float = 20) -> None:
        select.select([self.descriptor], [], [], seconds)

    def close(self) -> None:
        self.libc.close(self.descriptor)


class TrainJob:
    """One run of `peft train`, started as often as it takes."""

    def __init__(self, bench: Bench, out: str, cell: dict):
        self.bench, self.out = bench, bench.folder / out
        self.config = bench.config(cell, self.out)

    def start(self) -> subprocess.Popen:
        return self.bench.train(self.config)

    def results(self) -> dict[str, bytes]:
        return results(self.out)

    def leftovers(self) -> str:
        return "a temporary was left behind" if has_temporaries(self.out) else ""

    def is_done(self) -> bool:
        """Whether a process that was ended at once had done all the same."""
        return False


class MergeJob(TrainJob):
    """The same for `peft merge`, which leaves all or nothing."""

    def __init__(self, bench: Bench, out: str, adapter: pathlib.Path):
        self.bench, self.out, self.adapter = bench, bench.folder / out, adapter

    def start(self) -> subprocess.Popen:
        self.before = temporaries(self.bench.folder)
        return self.bench.run("merge", "--adapter", self.adapter, "--out", self.out)

    def results(self) -> dict[str, bytes]:
        if temporaries(self.bench.folder):
            raise RuntimeError("a merge that was done left a temporary of its own or of the one before")
        return {file.name: file.read_bytes() for file in self.out.iterdir()} if self.out.is_dir() else {}

    def leftovers(self) -> str:
        if temporaries(self.bench.folder) - self.before:
            return "a temporary was left behind"
        return "a stopped merge left its folder" if self.out.exists() else ""

    def is_done(self):
        return self.out.exists()


class Phase:
    """Where a signal is sent. `wait` returns when a started process is in it."""

    def __init__(self, name: str, bench: Bench):
        self.name, self.bench = name, bench

    def job(self, out: str):
        return TrainJob(self.bench, out, self.cell())

    def cell(self) -> dict:
        return {"r": 4, "eval_split_ratio": 0.2, "eval_steps": 30, "gradient_accumulation_steps": 4,
                "lora_dropout": 0.1}

    def prepare(self) -> None:
        pass

    def measure(self, process: subprocess.Popen, out: pathlib.Path) -> None:
        """Watches an undisturbed process, to know how long the phase lasts."""

    def wait(self, process: subprocess.Popen, out: pathlib.Path, numbers: random.Random) -> None:
        more = steps_done(out) + numbers.randrange(1, 6)
        wait_for(lambda: steps_done(out) >= more, process, 20)
        time.sleep(numbers.uniform(0, 0.005))


class Training(Phase):
    """Between two steps or in the middle of one, which has four micro-batches."""


class Saving(Phase):
    def wait(self, process, out, numbers):
        wait_for(lambda: has_temporaries(out), process, 20)
        time.sleep(numbers.uniform(0, 0.003))


class Evaluating(Phase):
    """Behind the line of a step that is followed by an evaluation of many rows."""

    def cell(self):
        return {"r": 4, "eval": str(self.bench.folder / "held_out.jsonl"), "eval_steps": 3}

    def prepare(self):
        write_rows(self.bench.folder / "held_out.jsonl", 800, seed=8)

    def wait(self, process, out, numbers):
        next_evaluation = steps_done(out) // 3 * 3 + 3
        wait_for(lambda: steps_done(out) >= next_evaluation, process, 20)
        time.sleep(numbers.uniform(0, 0.05))


class Loading(Phase):
    """From the first look at the weights of a model of 40 MB to the first look at the rows."""

    opens = "big/model.safetensors"

    def cell(self):
        return {"base_model": "big", "r": 4, "max_steps": 2, "save_steps": 1, "format": "text", "max_length": 64,
                "train": str(self.bench.folder / "texts.jsonl")}

    def prepare(self):
        big = self.bench.folder / "big"
        shutil.copytree(self.bench.folder / "llama", big)
        write_model(big, hidden=256, mlp=768, layers=12, vocabulary=384)
        numbers = random.Random(9)
        with (self.bench.folder / "texts.jsonl").open("w") as out:
            for _ in range(4000):
                words = " ".join(str(numbers.randrange(1000)) for _ in range(12))
                out.write(f'{{"text": "the {words}"}}\n')

    def measure(self, process, out):
        rows = Opening(self.bench.folder / "texts.jsonl")
        self.wait_for_opening()
        begin = time.monotonic()
        self.wait_for_end(process, out, rows)
        self.seconds = time.monotonic() - begin
        rows.close()

    def wait_for_opening(self):
        opening = Opening(self.bench.folder / self.opens)
        opening.wait()
        opening.close()

    def wait_for_end(self, process, out, rows):
        rows.wait()

    def wait(self, process, out, numbers):
        self.wait_for_opening()
        time.sleep(numbers.uniform(0, self.seconds))


class Tokenising(Loading):
    """From the first look at 4,000 rows of text to the first step."""

    opens = "texts.jsonl"

    def wait_for_end(self, process, out, rows):
        wait_for(lambda: steps_done(out) > 0, process, 20)


class Merging(Loading):
    """From the first look at the adapter to the end, the probe of the merged model included."""

    opens = "adapter/adapter_model.safetensors"

    def wait_for_end(self, process, out, rows):
        wait_for(lambda: False, process, 20)

    def prepare(self):
        super().prepare()
        finish(self.bench.train(self.bench.config(self.cell(), self.bench.folder / "adapter")))

    def job(self, out):
        return MergeJob(self.bench, out, self.bench.folder / "adapter")


PHASES = {"load": Loading, "tokenise": Tokenising, "step": Training, "save": Saving, "evaluation": Evaluating,
          "merge": Merging}


def stop_once(phase: Phase, job, numbers: random.Random) -> tuple[str, str, float, bool]:
    """Starts the job and stops it. Returns what was sent, what was wrong, the seconds it took, and whether the job was
    done."""
    number = numbers.choice(SIGNALS)
    twice = number == signal.SIGINT and numbers.random() < 0.5
    process = job.start()
    phase.wait(process, job.out, numbers)
    asked = time.monotonic()
    process.send_signal(number)
    if twice:
        time.sleep(0.01)
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    late = time.monotonic() - asked
    code = process.returncode
    fault = ""
    if code not in (130 if number == signal.SIGINT else 75, 0):
        fault = f"exit code {code}: {errors.strip()[-200:]}"
    elif late > (MOST_SECONDS_TWICE if twice else MOST_SECONDS):
        fault = f"ended after {late:.1f} s"
    elif code != 0 and not twice:  # the second Ctrl-C leaves temporaries for the next run to remove
        fault = job.leftovers()
    return number.name + (" twice" if twice else ""), fault, late, code == 0 or (twice and job.is_done())


def stop_phase(name: str, folder: pathlib.Path, program: str, seed: int, stops: int, tally: Tally) -> None:
    """Stops one job again and again; whenever it is done, its results are compared and it starts anew."""
    phase, numbers = PHASES[name](name, Bench(folder, program)), random.Random(f"{seed} {name}")
    phase.prepare()
    whole = phase.job("undisturbed")
    process = whole.start()
    phase.measure(process, whole.out)
    finish(process)
    expected = whole.results()
    job, waiting, times, ended = phase.job("stopped"), [], [], 0
    for i in range(stops):
        sent, fault, late, done = stop_once(phase, job, numbers)
        times.append(late)
        ended += not done
        what = f"{sent} in {name}, stop {i}"
        if fault:
            tally.count(f"{what}: {fault}")
        else:
            waiting.append(what)
        if done or i + 1 == stops:
            try:
                fault = ""
                if not done:
                    finish(job.start())
                fault = differences(job.results(), expected)
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                fault = str(error)
            for what in waiting:  # every stop of a run stands or falls with it
                tally.count(fault and f"{what}: {fault}")
            waiting = []
            shutil.rmtree(job.out, ignore_errors=True)
    print(f"{name}: {stops} signals, {ended} ended the run before its end, at most {max(times):.2f} s after the signal",
          flush=True)
