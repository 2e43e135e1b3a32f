"""A tiny model, rows and the built program in a folder of their own, and what a run must leave."""
import array
import json
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "tests/fixtures/models"
TOKENIZER = ROOT / "tests/fixtures/data/tokenizer"
STEPS = 60


def write_rows(file: pathlib.Path, count: int, seed: int) -> None:
    numbers = random.Random(seed)
    with file.open("w") as out:
        for _ in range(count):
            first, length = numbers.randrange(64), numbers.randint(4, 24)
            ids = [(first + 3 * j) % 64 for j in range(length)]
            out.write(json.dumps({"input_ids": ids}) + "\n")


def write_model(folder: pathlib.Path, hidden: int, mlp: int, layers: int, vocabulary: int) -> None:
    """A Llama with random float32 weights that takes a while to load."""
    shapes = {"model.embed_tokens.weight": (vocabulary, hidden), "model.norm.weight": (hidden,),
              "lm_head.weight": (vocabulary, hidden)}
    for layer in range(layers):
        path = f"model.layers.{layer}."
        for name in "qkvo":
            shapes[f"{path}self_attn.{name}_proj.weight"] = (hidden, hidden)
        shapes |= {path + "mlp.gate_proj.weight": (mlp, hidden), path + "mlp.up_proj.weight": (mlp, hidden),
                   path + "mlp.down_proj.weight": (hidden, mlp), path + "input_layernorm.weight": (hidden,),
                   path + "post_attention_layernorm.weight": (hidden,)}
    header, size = {}, 0
    for name, shape in shapes.items():
        length = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [size, size + length]}
        size += length
    numbers = random.Random(3)
    block = array.array("f", (numbers.gauss(0, 0.05) for _ in range(65521))).tobytes()  # a prime: rows differ
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text + (block * (size // len(block) + 1))[:size])
    config = json.loads((MODELS / "llama/config.json").read_text())
    config |= {"hidden_size": hidden, "intermediate_size": mlp, "num_hidden_layers": layers, "vocab_size": vocabulary,
               "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": hidden // 4}
    (folder / "config.json").write_text(json.dumps(config))


class Bench:
    """The program and its inputs; every run gets an output folder here."""

    def __init__(self, folder: pathlib.Path, program: str):
        self.folder, self.program = folder, program
        folder.mkdir(parents=True)
        for model in ("llama", "qwen2"):  # qwen2 has biases
            (folder / model).mkdir()
            for file in [MODELS / model / "config.json", MODELS / model / "model.safetensors", *TOKENIZER.iterdir()]:
                shutil.copy(file, folder / model)
        self.rows = folder / "rows.jsonl"
        write_rows(self.rows, 48, seed=7)

    def config(self, cell: dict, out: pathlib.Path) -> pathlib.Path:
        values = {"base_model": "llama", "peft_type": "LORA", "train": str(self.rows), "format": "tokens",
                  "max_length": 32, "output_dir": str(out), "max_steps": STEPS, "per_device_train_batch_size": 2,
                  "gradient_accumulation_steps": 1, "learning_rate": 0.003, "save_steps": 5, "logging_steps": 1000,
                  **cell}
        values["base_model"] = str(self.folder / values["base_model"])
        file = self.folder / f"{out.name}.json"
        file.write_text(json.dumps(values))
        return file

    def run(self, *arguments: object) -> subprocess.Popen:
        return subprocess.Popen([self.program, *map(str, arguments), "--threads", "1"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def train(self, config: pathlib.Path) -> subprocess.Popen:
        return self.run("train", "--config", config, "--no-progress")


def finish(process: subprocess.Popen) -> None:
    """Waits for a process that must end well."""
    _, errors = process.communicate(timeout=120)
    if process.returncode != 0:
        raise RuntimeError(f"exit code {process.returncode}: {(errors.strip().splitlines() or ['no message'])[-1]}")


def results(out: pathlib.Path) -> dict[str, bytes]:
    """The final adapter and the last checkpoint's tensors, whatever the method calls its file, and the steps."""
    checkpoints = sorted(out.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    last = checkpoints[-1].rglob("*.safetensors") if checkpoints else []
    files = [*out.glob("*.safetensors"), *last, *out.glob("steps.jsonl")]
    return {str(file.relative_to(out)): file.read_bytes() for file in files}


def differences(found: dict[str, bytes], expected: dict[str, bytes]) -> str:
    return ", ".join(name for name in sorted({*found, *expected}) if found.get(name) != expected.get(name))


def steps_done(out: pathlib.Path) -> int:
    try:
        return (out / "steps.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def temporaries(folder: pathlib.Path) -> set[str]:
    return {name for name in os.listdir(folder) if ".tmp-" in name} if folder.is_dir() else set()


def has_temporaries(folder: pathlib.Path) -> bool:
    return bool(temporaries(folder))


def wait_for(condition, process: subprocess.Popen, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.001)
    return False


class Tally:
    """Counts; may be used by several threads."""

    def __init__(self):
        self.passed = self.failed = 0
        self.lock = threading.Lock()

    def count(self, fault: str) -> None:
        with self.lock:
            self.passed += not fault
            self.failed += bool(fault)
            if fault:
                print(f"FAILED: {fault}", flush=True)
