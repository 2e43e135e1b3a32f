#!/usr/bin/env python3
"""The Hugging Face PEFT side of `scripts/bench reference`, run by the interpreter of a reference environment.

    huggingface.py prepare MODEL FOLDER [CHAT_ROWS]     the adapter and the rows both sides use
    huggingface.py train   JOB.json                     one training run; prints one JSON document
    huggingface.py ceiling THREADS                      GFLOP/s of a large float32 matrix product
"""
import json
import os
import pathlib
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch  # noqa: E402


def write_rows(file: pathlib.Path, rows: list[dict]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def random_rows(count: int, length: int, vocabulary: int, seed: int) -> list[dict]:
    """Rows without labels: every token is scored. Random tokens, so that no embedding row is favoured."""
    generator = torch.Generator().manual_seed(seed)
    return [{"input_ids": torch.randint(20, vocabulary, (length,), generator=generator).tolist()} for _ in range(count)]


def chat_row(tokenizer, turn: dict) -> dict:
    """An instruction row as chat, the prompt masked."""
    question = "\n".join(part for part in (turn["instruction"], turn.get("input")) if part)
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": turn["output"]}]
    prompt = tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True, return_dict=True)["input_ids"]
    ids = tokenizer.apply_chat_template(messages, return_dict=True)["input_ids"]
    assert ids[:len(prompt)] == prompt
    return {"input_ids": ids, "labels": [-100] * len(prompt) + ids[len(prompt):]}


def prepare(model_folder: str, folder: str, chat_rows: str | None = None) -> None:
    import peft
    import transformers
    out = pathlib.Path(folder)
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    model = peft.get_peft_model(model, peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.002)  # not the identity: the comparison of losses shall see the adapter
    model.save_pretrained(out / "adapter")
    vocabulary = model.config.vocab_size
    write_rows(out / "fixed.jsonl", random_rows(20, 256, vocabulary, seed=2))
    write_rows(out / "start.jsonl", random_rows(1, 64, vocabulary, seed=3))
    if chat_rows:
        tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
        rows = [chat_row(tokenizer, turn) for turn in json.loads(pathlib.Path(chat_rows).read_text())[:100]]
        # Longer ones, padded to eight of a kind, need more memory than a small machine has.
        write_rows(out / "chat.jsonl", [row for row in rows if len(row["input_ids"]) <= 320][:32])


def padded(rows: list[dict], tokenizer) -> dict:
    """One batch as transformers' collator makes it: filled up to its longest row, the filling masked."""
    from transformers import DataCollatorForSeq2Seq
    features = [{"input_ids": row["input_ids"], "attention_mask": [1] * len(row["input_ids"]),
                 "labels": row.get("labels", row["input_ids"])} for row in rows]
    return DataCollatorForSeq2Seq(tokenizer, padding=True)(features)


def scored_tokens(rows: list[dict]) -> int:
    return sum(label != -100 for row in rows for label in row.get("labels", row["input_ids"])[1:])


def train(job_file: str) -> None:
    job = json.loads(pathlib.Path(job_file).read_text())
    torch.set_num_threads(job["threads"])
    import peft
    import transformers
    model = transformers.AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"]))
    model = peft.PeftModel.from_pretrained(model, job["adapter"], is_trainable=True).train()
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["model"])
    rows = [json.loads(line) for line in pathlib.Path(job["rows"]).read_text().splitlines()]
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)
    steps = []
    for step in range(job["steps"]):
        batch_rows = rows[step * job["batch"]:(step + 1) * job["batch"]]
        begin = time.perf_counter()
        batch = padded(batch_rows, tokenizer)
        loss = model(**batch).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds = time.perf_counter() - begin
        steps.append({"loss": loss.item(), "grad_norm": norm.item(), "seconds": seconds, "ended": time.time(),
                      "tokens": sum(len(row["input_ids"]) for row in batch_rows), "scored": scored_tokens(batch_rows)})
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    print(json.dumps({"steps": steps, "versions": versions}))


def ceiling(threads: str) -> None:
    torch.set_num_threads(int(threads))
    a, b = torch.randn(1024, 1536), torch.randn(1536, 1536)
    times = []
    for _ in range(8):
        begin = time.perf_counter()
        for _ in range(5):
            a @ b
        times.append((time.perf_counter() - begin) / 5)
    print(json.dumps({"gflops": 2 * 1024 * 1536 * 1536 / min(times) / 1e9}))


if __name__ == "__main__":
    {"prepare": prepare, "train": train, "ceiling": ceiling}[sys.argv[1]](*sys.argv[2:])
